"""Conditions of storages and archives."""

from __future__ import annotations

from typing import Any

from ..world.locks import storage_lock
from ..world.state import World
from ..world.volumes import Volume, Volumes
from .registry import control
from .subjects import storage_of, volume_of
from .vms import hold_flock, seconds_of


@control("storage-lock-held")
def _storage_lock_held(world: World, step: dict[str, Any]) -> None:
    node = step.get("node", next(iter(world.nodes)))
    hold_flock(world, storage_lock(world, storage_of(world, step).storage, node), seconds_of(step))


@control("archive-damaged")
def _archive_damaged(world: World, step: dict[str, Any]) -> None:
    volume = volume_of(world, step)
    volume.damaged, volume.size = True, volume.size // 2


@control("archive-gone")
def _archive_gone(world: World, step: dict[str, Any]) -> None:
    volume = volume_of(world, step)
    world.volumes.remove(volume)
    if volume.protected:
        world.protection_marks.add(volume.volid)


@control("verification")
def _verification(world: World, step: dict[str, Any]) -> None:
    volume_of(world, step).verification = str(step.get("state", "failed"))


@control("prune-behind")
def _prune_behind(world: World, step: dict[str, Any]) -> None:
    """A retention job of somebody else: only the newest `keep` unprotected archives of each VM stay."""
    keep = int(step.get("keep", 1))
    found: dict[int, list[Volume]] = {}
    for volume in world.volumes.of_storage(storage_of(world, step).storage):
        wanted = "vmid" not in step or volume.vmid == int(step["vmid"])
        if volume.content == "backup" and not volume.protected and wanted:
            found.setdefault(volume.vmid, []).append(volume)
    for volumes in found.values():
        for volume in sorted(volumes, key=lambda one: one.ctime, reverse=True)[keep:]:
            world.volumes.remove(volume)


@control("storage-offline", "storage-online")
def _storage_offline(world: World, step: dict[str, Any]) -> None:
    storage = storage_of(world, step)
    name = str(step.get("node", "*"))
    if step["control"] == "storage-offline":
        storage.offline.add(name)
    else:
        storage.offline.clear() if name == "*" else storage.offline.discard(name)


@control("storage-full")
def _storage_full(world: World, step: dict[str, Any]) -> None:
    storage_of(world, step).full = bool(step.get("full", True))


@control("storage-slow")
def _storage_slow(world: World, step: dict[str, Any]) -> None:
    storage_of(world, step).seconds = float(step["seconds"])


@control("storage-empty")
def _storage_empty(world: World, step: dict[str, Any]) -> None:
    """The share is not mounted and nobody notices: the folder under it is empty."""
    name = storage_of(world, step).storage
    kept = Volumes()
    for volume in world.volumes:
        if volume.storage != name or volume.content != "backup":
            kept.add(volume)
    world.volumes = kept


@control("storage-config")
def _storage_config(world: World, step: dict[str, Any]) -> None:
    """Change `prune-backups`, `max-protected-backups`, `disable` or `total` of a storage."""
    storage = storage_of(world, step)
    if "prune-backups" in step:
        storage.prune = step["prune-backups"]
    if "max-protected-backups" in step:
        storage.max_protected = int(step["max-protected-backups"])
    if "disable" in step:
        storage.disabled = bool(step["disable"])
    if "total" in step:
        storage.total = step["total"]


@control("garbage-collected")
def _garbage_collected(world: World, step: dict[str, Any]) -> None:
    storage_of(world, step).kept_by_garbage = 0
