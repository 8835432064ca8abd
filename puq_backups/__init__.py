"""Self-service backups of Proxmox KVM virtual machines for a Flask billing application."""
