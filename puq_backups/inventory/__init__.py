"""The backups of a service as the database knows them: what may be done to them, locks, comparison with Proxmox."""
