"""Bridges and virtual networks of a node."""

from __future__ import annotations

from . import paths
from .client import Proxmox


def bridges(proxmox: Proxmox, node: str) -> dict[str, str]:
    """The node's bridges and virtual networks that the token may see, as {name: type} ("bridge", "vnet", …)."""
    rows = proxmox.get_list("nodes", paths.node(node), "network", type="any_bridge")
    return {str(row["iface"]): str(row.get("type", "")) for row in rows if "iface" in row}
