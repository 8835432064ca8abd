"""A Proxmox that keeps state, behind real HTTPS."""
