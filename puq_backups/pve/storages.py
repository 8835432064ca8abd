"""Storages: how one stands as a node sees it, and whether it prunes backups of its own accord."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import paths
from .client import Proxmox
from .properties import options


@dataclass(frozen=True)
class StorageStatus:
    """A storage as one node sees it; amounts in bytes, 0 while it is not active."""

    storage: str
    type: str
    active: bool
    enabled: bool
    shared: bool
    avail: int
    total: int
    content: frozenset[str]


def storage_status(proxmox: Proxmox, node: str, storage: str) -> StorageStatus:
    """How a storage stands. ProxmoxRefused if there is none of that name."""
    row = proxmox.get_dict("nodes", paths.node(node), "storage", paths.storage(storage), "status")
    return _status(row | {"storage": storage})


def storages(proxmox: Proxmox, node: str) -> list[StorageStatus]:
    """The storages that a node sees and our token may see."""
    return [_status(row) for row in proxmox.get_list("nodes", paths.node(node), "storage")]


def _status(row: dict[str, Any]) -> StorageStatus:
    return StorageStatus(
        storage=str(row.get("storage", "")),
        type=str(row.get("type", "")),
        active=bool(int(row.get("active") or 0)),
        enabled=bool(int(row.get("enabled") or 0)),
        shared=bool(int(row.get("shared") or 0)),
        avail=int(row.get("avail") or 0),
        total=int(row.get("total") or 0),
        content=frozenset(filter(None, str(row.get("content", "")).split(","))),
    )


def storage_config(proxmox: Proxmox, storage: str) -> dict[str, Any] | None:
    """A storage's configuration; None where it does not exist or our token may not see it.

    Taken from the list: the call for one storage needs Datastore.Allocate, the list leaves out what may not be seen.
    """
    paths.storage(storage)
    return next((row for row in proxmox.get_list("storage") if row.get("storage") == storage), None)


def keeps_all(prune: str) -> bool:
    """Whether a storage's `prune-backups` leaves every backup alone; all zero means so too."""
    limits = options(prune or "")
    if limits.get("keep-all") == "1":
        return True
    return not any(value.strip().lstrip("0") for name, value in limits.items() if name != "keep-all")
