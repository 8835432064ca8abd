"""What a VM's card can be put on."""

from __future__ import annotations

from . import paths
from .client import Proxmox


def bridges(proxmox: Proxmox, node: str) -> dict[str, str]:
    """A node's bridges and virtual networks that our token may see: each one's type ("bridge", "vnet", …)."""
    rows = proxmox.get_list("nodes", paths.node(node), "network", type="any_bridge")
    return {str(row["iface"]): str(row.get("type", "")) for row in rows if "iface" in row}
