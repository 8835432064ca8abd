"""Message catalogues; installed as puq_backups.lang."""
