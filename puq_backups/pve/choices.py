"""Choices for the product settings: storages, bridges and templates, as {value: label}."""

from __future__ import annotations

from collections import defaultdict

from . import networks, values, vms
from . import storages as node_storages
from .client import Proxmox

GIB = 1024**3


def storages(proxmox: Proxmox, content: str) -> dict[str, str]:
    """The storages that accept `content` ("backup" or "images") and that the token may see."""
    rows = proxmox.get_list("cluster", "resources", type="storage")
    able = [row for row in rows if content in str(row.get("content", "")).split(",")]
    # The list has a row per node; a node where the storage is available is sorted last and wins.
    able.sort(key=lambda row: (str(row["storage"]), row.get("status") == "available"))
    chosen = {str(row["storage"]): row for row in able}
    online = {name: str(row["node"]) for name, row in chosen.items() if row.get("status") == "available"}
    free = _free(proxmox, online)
    return {
        name: f"{name} ({values.text(row.get('plugintype'), 32)}, {_room(free.get(name))})"
        for name, row in chosen.items()
    }


def _free(proxmox: Proxmox, nodes: dict[str, str]) -> dict[str, int]:
    """Available bytes by storage, one call a node. Not total less used: file systems reserve some for root."""
    found: dict[str, int] = {}
    for node in sorted(set(nodes.values())):
        for storage in node_storages.storages(proxmox, node):
            if nodes.get(storage.storage) == node and storage.active:
                found[storage.storage] = storage.avail
    return found


def _room(free: int | None) -> str:
    return "offline" if free is None else f"{free / GIB:.1f} GiB free"


def bridges(proxmox: Proxmox) -> dict[str, str]:
    """The bridges of all online nodes; each label names the nodes that have it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for node in _online(proxmox):
        for name in networks.bridges(proxmox, node):
            found[name].append(node)
    return {name: f"{name} ({', '.join(nodes)})" for name, nodes in sorted(found.items())}


def _online(proxmox: Proxmox) -> list[str]:
    rows = proxmox.get_list("cluster", "resources", type="node")
    return sorted(str(row["node"]) for row in rows if row.get("status") == "online")


def templates(proxmox: Proxmox) -> dict[str, str]:
    """The VM templates that the token may see."""
    found = {vmid: place for vmid, place in vms.locate(proxmox).items() if place.template}
    return {str(vmid): f"{vmid} {place.name} ({place.node})" for vmid, place in sorted(found.items())}
