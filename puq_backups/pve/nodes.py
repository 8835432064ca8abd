"""Facts about the nodes of a cluster."""

from __future__ import annotations

from .client import Proxmox


def cpu_count(proxmox: Proxmox, node: str) -> int | None:
    """The number of a node's CPUs; None if the token may not see it."""
    rows = proxmox.get_list("nodes")
    found = next((row.get("maxcpu") for row in rows if row.get("node") == node), None)
    return int(found) if found else None
