"""Conditions of storages and archives."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..world.locks import storage_lock
from ..world.model import Storage
from ..world.state import Undo, World
from ..world.volumes import Volume
from .registry import Step, control
from .subjects import storage_of, volume_of
from .vms import hold_flock

OF_STORAGE: dict[str, type] = {"storage": str}
OF_ARCHIVE: dict[str, type] = {"volid": str}


def _give_back(world: World, volumes: Iterable[Volume]) -> None:
    for volume in volumes:
        world.protection_marks.discard(volume.volid)
        world.volumes.add(volume)


def _set(found: Storage | Volume, values: dict[str, Any]) -> Undo:
    """Set attributes; returns what gives them back the values that they had."""
    before = {key: getattr(found, key) for key in values}
    for key, value in values.items():
        setattr(found, key, value)

    def undo() -> None:
        for key, value in before.items():
            setattr(found, key, value)

    return undo


@control("storage-lock-held", needs=OF_STORAGE, may={"node": str, "seconds": float})
def _storage_lock_held(world: World, step: Step) -> Undo:
    node = step.get("node", next(iter(world.nodes)))
    return hold_flock(world, storage_lock(world, storage_of(world, step).storage, node), step.get("seconds"))


@control("image-locked", needs=OF_ARCHIVE)
def _image_locked(world: World, step: Step) -> Undo:
    """Somebody else has a disk image open for writing: QEMU does not start with it."""
    return _set(volume_of(world, step), {"locked": True})


@control("archive-damaged", needs=OF_ARCHIVE)
def _archive_damaged(world: World, step: Step) -> Undo:
    volume = volume_of(world, step)
    return _set(volume, {"damaged": True, "size": volume.size // 2})


@control("archive-gone", needs=OF_ARCHIVE)
def _archive_gone(world: World, step: Step) -> Undo:
    volume = volume_of(world, step)
    world.volumes.remove(volume)
    if volume.protected:
        world.protection_marks.add(volume.volid)
    return partial(_give_back, world, [volume])


@control("verification", needs=OF_ARCHIVE, may={"state": str})
def _verification(world: World, step: Step) -> Undo:
    return _set(volume_of(world, step), {"verification": step.get("state", "failed")})


@control("encrypted", needs=OF_ARCHIVE, may={"fingerprint": str})
def _encrypted(world: World, step: Step) -> Undo:
    """The snapshot on the backup server is encrypted; its fingerprint, or 1 where none is known."""
    return _set(volume_of(world, step), {"encrypted": step.get("fingerprint", "1")})


@control("owner-mismatch", needs=OF_STORAGE, may={"vmid": int})
def _owner_mismatch(world: World, step: Step) -> Undo:
    """The backup group of a VM (None: of all) belongs to another user of the backup server."""
    storage = storage_of(world, step)
    return _set(storage, {"foreign_groups": storage.foreign_groups | {step.get("vmid")}})


@control("prune-behind", needs=OF_STORAGE, may={"keep": int, "vmid": int})
def _prune_behind(world: World, step: Step) -> Undo:
    """A retention job of somebody else: only the newest `keep` unprotected archives of each VM stay."""
    keep = step.get("keep", 1)
    found: dict[int, list[Volume]] = {}
    for volume in world.volumes.of_storage(storage_of(world, step).storage):
        wanted = "vmid" not in step or volume.vmid == step["vmid"]
        if volume.content == "backup" and not volume.protected and wanted:
            found.setdefault(volume.vmid, []).append(volume)
    gone = [
        volume
        for volumes in found.values()
        for volume in sorted(volumes, key=lambda one: one.ctime, reverse=True)[keep:]
    ]
    for volume in gone:
        world.volumes.remove(volume)
    return partial(_give_back, world, gone)


@control("storage-offline", "storage-online", needs=OF_STORAGE, may={"node": str})
def _storage_offline(world: World, step: Step) -> Undo:
    storage = storage_of(world, step)
    name = step.get("node", "*")
    if step["control"] == "storage-offline":
        return _set(storage, {"offline": storage.offline | {name}})
    return _set(storage, {"offline": set() if name == "*" else storage.offline - {name}})


@control("storage-full", needs=OF_STORAGE, may={"full": bool})
def _storage_full(world: World, step: Step) -> Undo:
    return _set(storage_of(world, step), {"full": step.get("full", True)})


@control("storage-slow", needs={**OF_STORAGE, "seconds": float})
def _storage_slow(world: World, step: Step) -> Undo:
    return _set(storage_of(world, step), {"seconds": step["seconds"]})


@control("storage-empty", needs=OF_STORAGE)
def _storage_empty(world: World, step: Step) -> Undo:
    """The share is not mounted and nobody notices: the folder under it is empty."""
    hidden = [one for one in world.volumes.of_storage(storage_of(world, step).storage) if one.content == "backup"]
    for volume in hidden:
        world.volumes.remove(volume)
    return partial(_give_back, world, hidden)


@control(
    "storage-config",
    needs=OF_STORAGE,
    may={
        "prune-backups": object,
        "max-protected-backups": object,
        "disable": bool,
        "total": object,
        "avail": object,
        "nodes": object,
        "content": list,
    },
)
def _storage_config(world: World, step: Step) -> Undo:
    """Configure a storage anew; null is the default."""
    names = {
        "prune-backups": "prune",
        "max-protected-backups": "max_protected",
        "disable": "disabled",
        "total": "total",
        "avail": "avail",
        "nodes": "nodes",
        "content": "content",
    }
    values = {names[key]: value for key, value in step.items() if key in names}
    for key in ("nodes", "content"):
        if values.get(key) is not None:
            values[key] = tuple(values[key])
    return _set(storage_of(world, step), values)


@control("storage-removed", needs=OF_STORAGE)
def _storage_removed(world: World, step: Step) -> Undo:
    """The storage is taken out of the configuration; what is on it stays there."""
    storage = world.storages.pop(storage_of(world, step).storage)
    return partial(world.storages.__setitem__, storage.storage, storage)


@control("garbage-collected", needs=OF_STORAGE)
def _garbage_collected(world: World, step: Step) -> Undo:
    return _set(storage_of(world, step), {"kept_by_garbage": 0})
