"""What there is to choose from when a product is set up: storages, bridges, templates. Values and their labels."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from . import networks, vms
from .client import Proxmox

GIB = 1024**3


def storages(proxmox: Proxmox, content: str) -> dict[str, str]:
    """The storages that may hold `content` ("backup", "images") and that our token may see."""
    rows = proxmox.get_list("cluster", "resources", type="storage")
    able = [row for row in rows if content in str(row.get("content", "")).split(",")]
    # One row for each node; where one of them sees the storage, that one counts.
    able.sort(key=lambda row: (str(row["storage"]), row.get("status") == "available"))
    return {str(row["storage"]): f"{row['storage']} ({row.get('plugintype', '')}, {_room(row)})" for row in able}


def _room(row: dict[str, Any]) -> str:
    if row.get("status") != "available":
        return "offline"
    return f"{(int(row.get('maxdisk') or 0) - int(row.get('disk') or 0)) / GIB:.1f} GiB free"


def bridges(proxmox: Proxmox) -> dict[str, str]:
    """The bridges of all nodes that are online, each with the nodes that have it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node in _online(proxmox):
        for name in networks.bridges(proxmox, node):
            found[name].append(node)
    return {name: f"{name} ({', '.join(nodes)})" for name, nodes in sorted(found.items())}


def _online(proxmox: Proxmox) -> list[str]:
    rows = proxmox.get_list("cluster", "resources", type="node")
    return sorted(str(row["node"]) for row in rows if row.get("status") == "online")


def templates(proxmox: Proxmox) -> dict[str, str]:
    """The VM templates that our token may see."""
    found = {vmid: place for vmid, place in vms.locate(proxmox).items() if place.template}
    return {str(vmid): f"{vmid} {place.name} ({place.node})" for vmid, place in sorted(found.items())}
