"""The only folder that knows how Proxmox is spoken to."""
