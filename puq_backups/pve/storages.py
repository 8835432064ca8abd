"""Status of storages, and their own retention (`prune-backups`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import Message, ProxmoxRefused, StorageMissing
from ..i18n.translator import N_
from . import paths, values
from .client import Proxmox
from .error_mapping import with_message
from .property_strings import options

NOT_ON_NODE = N_("The storage {storage} is not available on node {node}. The provider has to look at it.")
MISSING = re.compile(r"No such storage|storage '[^']*' (?:is not available on node|does not exist)")


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
    """Read a storage's status; raises StorageMissing if the node has none of that name."""
    try:
        row = proxmox.get_dict("nodes", paths.node(node), "storage", paths.storage(storage), "status")
    except ProxmoxRefused as error:
        if not is_missing(error):
            raise
        facts = {"http_status": error.http_status, "call": error.call}
        raise with_message(StorageMissing, not_on_node(storage, node), **facts) from error
    return _status(row | {"storage": storage})


def availability(rows: list[dict[str, Any]]) -> dict[tuple[str, str], bool]:
    """Whether each storage among the resources of a cluster answers, by (node, name)."""
    return {
        (str(row.get("node")), str(row.get("storage"))): row.get("status") == "available"
        for row in rows if row.get("type") == "storage"
    }  # fmt: skip


def is_missing(error: ProxmoxRefused) -> bool:
    """Whether Proxmox refused because the node does not have the storage."""
    return bool(MISSING.search(str(error)))


def other_node(proxmox: Proxmox, node: str, storage: str) -> str | None:
    """Another node than `node` that has the storage, by its configuration; None if there is none."""
    nodes = str((storage_config(proxmox, storage) or {}).get("nodes") or "").split(",")
    return next((other for other in sorted(nodes) if other not in {"", node}), None)


def readable_from(proxmox: Proxmox, node: str, storage: str) -> tuple[str, StorageStatus]:
    """The storage's status with the node it was read from: `node`, or another one if that does not have it."""
    try:
        seen = storage_status(proxmox, node, storage)
        missing = None
    except StorageMissing as error:
        seen, missing = None, error
    if seen is not None and seen.enabled:
        return node, seen
    if other := other_node(proxmox, node, storage):
        return other, storage_status(proxmox, other, storage)
    if seen is None:
        raise missing or StorageMissing
    return node, seen


def not_on_node(storage: str, node: str) -> Message:
    """The message about a storage that a node does not have: its status says `enabled: 0`."""
    return Message(NOT_ON_NODE, storage=storage, node=node)


def storages(proxmox: Proxmox, node: str) -> list[StorageStatus]:
    """The storages of a node that the token may see."""
    return [_status(row) for row in proxmox.get_list("nodes", paths.node(node), "storage")]


def _status(row: dict[str, Any]) -> StorageStatus:
    return StorageStatus(
        storage=str(row.get("storage", "")),
        type=values.text(row.get("type"), 32),
        active=values.flag(row.get("active")),
        enabled=values.flag(row.get("enabled")),
        shared=values.flag(row.get("shared")),
        avail=values.number(row.get("avail")),
        total=values.number(row.get("total")),
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
