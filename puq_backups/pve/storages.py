"""Status of storages, and their own retention (`prune-backups`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import paths
from .client import Proxmox
from .property_strings import options


@dataclass(frozen=True)
class StorageStatus:
    """Status of a storage on one node. `avail` and `total` are in bytes, 0 while it is not active."""

    storage: str
    type: str
    active: bool
    enabled: bool
    shared: bool
    avail: int
    total: int
    content: frozenset[str]


def storage_status(proxmox: Proxmox, node: str, storage: str) -> StorageStatus:
    """Read a storage's status; raises ProxmoxRefused if there is none of that name."""
    row = proxmox.get_dict("nodes", paths.node(node), "storage", paths.storage(storage), "status")
    return _status(row | {"storage": storage})


def storages(proxmox: Proxmox, node: str) -> list[StorageStatus]:
    """The storages of a node that the token may see."""
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
    """A storage's configuration; None if it does not exist or the token may not see it.

    Read from the list of all storages, because the call for a single one needs Datastore.Allocate.
    """
    paths.storage(storage)
    return next((row for row in proxmox.get_list("storage") if row.get("storage") == storage), None)


def keeps_all(prune: str) -> bool:
    """Whether `prune-backups` keeps every backup; all values 0 means that too."""
    limits = options(prune or "")
    if limits.get("keep-all") == "1":
        return True
    return not any(value.strip().lstrip("0") for name, value in limits.items() if name != "keep-all")
