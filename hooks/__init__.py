"""What runs at named moments; installed as puq_backups.hooks."""
