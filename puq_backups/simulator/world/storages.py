"""Storages as calls use them: activation, free space, limits, removal of volumes."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from . import access
from .model import Caller, Storage
from .state import World
from .volumes import SHARED_TYPES, Volume

DISK_TOTAL = 270_553_174_016


ROOMY_USED = 31_256_563_712


def configured(world: World, name: str) -> Storage:
    """A storage that is configured, or Proxmox's refusal."""
    storage = world.storages.get(name)
    if storage is None:
        raise failed(f"storage '{name}' does not exist")
    return storage


def is_enabled(storage: Storage, node: str) -> bool:
    """Whether a storage is enabled and meant for the node."""
    return not storage.disabled and (not storage.nodes or node in storage.nodes)


def known(world: World, name: str, node: str) -> Storage:
    """A storage that is configured, enabled and meant for the node, or Proxmox's refusal."""
    storage = configured(world, name)
    if storage.disabled:
        raise failed(f"storage '{name}' is disabled")
    if storage.nodes and node not in storage.nodes:
        raise failed(f"storage '{name}' is not available on node '{node}'")
    return storage


def take_time(world: World, storage: Storage) -> None:
    """Wait as long as each access to a slow storage takes."""
    if storage.seconds:
        world.wait_for(lambda: False, world.as_told(storage.seconds))


def activate(world: World, name: str, node: str) -> Storage:
    """The same, and it must be reachable. A slow one takes its time."""
    storage = known(world, name, node)
    take_time(world, storage)
    if storage.is_offline(node):
        raise failed(_why_inactive(storage))
    return storage


def _why_inactive(storage: Storage) -> str:
    name = storage.storage
    if storage.type == "pbs":
        return f"{name}: error fetching datastores - 500 Can't connect to {name}:8007 (No route to host)"
    if storage.is_mountpoint:
        why = f"directory is expected to be a mount point but is not mounted: '{storage.path}'"
        return f"unable to activate storage '{name}' - {why}"
    if storage.type in ("nfs", "cifs"):
        return f"storage '{name}' is not online"
    if storage.type == "rbd":
        return "rbd error: rbd: couldn't connect to the cluster!"
    if storage.type == "zfspool":
        return f"could not activate storage '{name}', zfs error: cannot import '{name}': no such pool available"
    why = f"directory '{storage.path}' does not exist or is unreachable"
    return f"unable to activate storage '{name}' - {why}"


def usage(world: World, storage: Storage, node: str) -> tuple[int, int, int]:
    """Total, used and available bytes. PBS keeps what was deleted until its garbage collection."""
    volumes = world.volumes.at(world.place(storage.storage, node))
    own = sum(one.size for one in volumes if one.content == "backup") + storage.kept_by_garbage
    if storage.total is None:
        total, used = max(DISK_TOTAL, own * 4), ROOMY_USED + own
    else:
        total, used = storage.total, min(own, storage.total)
    if storage.full:
        return total, total, 0
    return total, used, total - used if storage.avail is None else min(storage.avail, total - used)


def room(world: World, storage: Storage, node: str) -> int | None:
    """Bytes that can still be written to a storage; None where it has no limit that matters."""
    if storage.full:
        return 0
    if storage.total is None and storage.avail is None:
        return None
    return usage(world, storage, node)[2]


def check_protected_limit(world: World, caller: Caller, storage: Storage, node: str, vmid: int) -> None:
    """Refuse one more protected archive where the guest has as many as it may."""
    limit = storage.max_protected
    if limit is None:
        limit = -1 if access.may(world, caller, f"/storage/{storage.storage}", "Datastore.Allocate") else 5
    there = world.volumes.at(world.place(storage.storage, node), vmid, "backup")
    if 0 <= limit <= sum(one.protected for one in there):
        raise failed(
            f"The number of protected backups per guest is limited to {limit} on storage '{storage.storage}'"
        )


def erase(world: World, storage: Storage, volume: Volume) -> None:
    """Take a volume away; on PBS its space stays used."""
    world.volumes.remove(volume)
    if storage.type == "pbs":
        storage.kept_by_garbage += volume.size


def make_storage(entry: dict[str, Any], node_names: list[str]) -> Storage:
    """A storage from its entry in the state file."""
    kind = entry.get("type", "dir")
    nodes = entry.get("nodes")
    name = entry["storage"]
    path = entry.get("path") or ("/var/lib/vz" if name == "local" else f"/mnt/pve/{name}")
    found = Storage(
        storage=name,
        type=kind,
        path=path,
        content=tuple(entry.get("content", ("backup",))),
        prune=entry.get("prune-backups"),
        nodes=tuple(nodes) if nodes else None,
        shared=bool(entry.get("shared", kind in SHARED_TYPES)),
        total=entry.get("total") or None,
        is_mountpoint=bool(entry.get("is_mountpoint")),
        disabled=bool(entry.get("disable")),
        max_protected=entry.get("max-protected-backups"),
        avail=entry.get("avail"),
        server=str(entry.get("server", f"{name}.example.com")),
        datastore=str(entry.get("datastore", "store")),
        username=str(entry.get("username", "backup@pbs")),
        namespace=entry.get("namespace"),
        encryption_key=entry.get("encryption-key"),
    )
    if entry.get("active") is False:
        found.offline = {"*"}
    found.nodes = tuple(one for one in found.nodes if one in node_names) if found.nodes else None
    return found
