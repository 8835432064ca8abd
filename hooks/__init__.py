"""Hooks, module functions and mails, found by their decorators; installed as `puq_backups.hooks`."""
