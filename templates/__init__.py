"""Pages and mails; installed as puq_backups.templates."""
