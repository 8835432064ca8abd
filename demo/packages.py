"""Packages that the billing application sells."""

PACKAGES = {
    "Small": {"Backups": 1, "CPU cores": 1, "RAM MiB": 1024, "System disk GiB": 16},
    "Medium": {"Backups": 3, "CPU cores": 2, "RAM MiB": 2048, "System disk GiB": 32},
    "Large": {"Backups": 10, "CPU cores": 4, "RAM MiB": 8192, "System disk GiB": 64},
}
"""Product settings by the names of `ConfigOptions`. Others stay empty, and unchanged at Proxmox."""

COMMON = {
    "Backups storage": "backup",
    "Backup mode": "snapshot",
    "Compression": "zstd",
    "Bridge": "vmbr0",
    "Network rate MB/s": 125,
    "Template VMID": 9000,
    "Rotation": "before",
}
"""Product settings of all packages."""
