"""The volumes of a storage: list, attributes, notes and protection, removal."""

from __future__ import annotations

from typing import Any

from ..answers import Prepared, Refusal, bad_parameters, failed
from ..http.router import Call, route
from ..world import access, pbs
from ..world.locks import release, take_storage_lock
from ..world.model import Storage
from ..world.storages import activate, check_protected_limit, configured, erase, take_time
from ..world.task import Task, TaskError
from ..world.volumes import FILE_TYPES, Volume, name_parts, unparsable
from .storages import ANY_OF_STORAGE

PATH = "/nodes/{node}/storage/{storage}/content/{volume}"
NO_FORMAT = "volume_size_info on '{}' failed - no format"


@route("GET", "/nodes/{node}/storage/{storage}/content", ANY_OF_STORAGE)
def content(call: Call) -> Any:
    """The volumes that the caller may see; others are left out without a word."""
    world, params = call.world, call.params
    storage = activate(world, params["storage"], call.node)
    allowed: dict[tuple[int, str], bool] = {}
    found = []
    for volume in world.volumes.at(world.place(storage.storage, call.node), params.get("vmid")):
        if params.get("content") not in (None, volume.content) or volume.content not in storage.content:
            continue
        if storage.type == "pbs" and pbs.is_foreign(storage, volume.vmid):
            continue
        key = (volume.vmid, volume.content)
        if key not in allowed:
            allowed[key] = _sees(call, volume)
        if allowed[key]:
            found.append(volume)
    found.sort(key=lambda one: one.name.lower())
    offset = world.nodes[call.node].utc_offset
    return Prepared(f"[{','.join([volume.listed(offset) for volume in found])}]")


def _sees(call: Call, volume: Volume) -> bool:
    try:
        access.demand_volume(call.world, call.caller, volume)
    except Refusal:
        return False
    return True


def _named(call: Call) -> tuple[Storage, str, str, int | None]:
    """Storage, volume name, content and owner of the volume in the path.

    The volume need not exist, and the storage need not be enabled: nothing is activated here.
    """
    text, name = str(call.params["volume"]), str(call.params["storage"])
    if ":" in text:
        prefix, _, text = text.partition(":")
        if prefix != name:
            raise bad_parameters({"volume": f"storage ID mismatch ({prefix} != {name})\n"})
    storage = configured(call.world, name)
    try:
        kind, _format, owner = name_parts(text)
    except ValueError:
        raise failed(unparsable(storage.type, text)) from None
    return storage, text, kind, owner


def _demand(call: Call, storage: Storage, name: str, kind: str, owner: int | None) -> None:
    """The rights on a volume by its name alone: it may have gone."""
    access.demand_named_volume(call.world, call.caller, f"{storage.storage}:{name}", kind, owner)


def _present(call: Call, storage: Storage, name: str) -> Volume | None:
    """The volume, if it is there and the node reaches the storage. A disabled storage keeps its files."""
    take_time(call.world, storage)
    if storage.is_offline(call.node):
        return None
    return call.world.volume(f"{storage.storage}:{name}", call.node)


@route("GET", PATH)
def attributes(call: Call) -> Any:
    """One volume's attributes. The storage is not activated for them."""
    storage, name, kind, owner = _named(call)
    _demand(call, storage, name, kind, owner)
    volid = f"{storage.storage}:{name}"
    volume = _present(call, storage, name)
    if volume is None:
        raise failed(pbs.lost(storage, name) if storage.type == "pbs" else NO_FORMAT.format(volid))
    found = {"path": storage.file_path(name), "size": volume.size, "used": volume.used, "format": volume.format}
    if kind != "backup":
        return found
    if storage.type in FILE_TYPES:
        rounded = -(-volume.size // 512) * 512
        found |= {"size": rounded, "used": rounded, "format": "raw"}
    return found | {"protected": int(volume.protected), "notes": volume.notes or ""}


@route("PUT", PATH)
def change(call: Call) -> Any:
    """Set notes and protection. On file storages nobody looks whether the archive is there."""
    storage, name, kind, owner = _named(call)
    _demand(call, storage, name, kind, owner)
    given: dict[str, Any] = {key: call.params[key] for key in ("notes", "protected") if key in call.params}
    if kind != "backup" and given:
        raise failed(
            "only backups can have notes" if "notes" in given else "only backups support attribute 'protected'"
        )
    volume = _present(call, storage, name)
    if volume is not None and "notes" in given:
        volume.notes = given["notes"]
    try:
        if given.get("protected") and owner and not (volume is not None and volume.protected):
            check_protected_limit(call.world, call.caller, storage, call.node, owner)
        if volume is not None:
            volume.protected = bool(given.get("protected", volume.protected))
        elif given:
            _change_lost(call, storage, name, given)
    finally:
        if volume is not None:
            call.world.volumes.report("changed", volume)


def _change_lost(call: Call, storage: Storage, name: str, given: dict[str, Any]) -> None:
    """Notes and protection of an archive that is not there: on a file storage they become files beside it."""
    if storage.type == "pbs":
        raise failed(pbs.lost(storage, name))
    if storage.is_offline(call.node):
        what = "notes" if "notes" in given else "protected"
        raise failed(f"unable to open file '{storage.file_path(name)}.{what}' - No such file or directory")
    if "protected" in given:
        marks = call.world.protection_marks
        volid = f"{storage.storage}:{name}"
        marks.add(volid) if given["protected"] else marks.discard(volid)


@route("DELETE", PATH)
def remove(call: Call) -> Any:
    """Remove a volume, as a task. One that is gone already is no error."""
    storage, name, kind, owner = _named(call)
    world = call.world
    _demand_removal(call, storage, kind, owner)

    def work(task: Task) -> None:
        activate(world, storage.storage, call.node)
        lock = take_storage_lock(world, task, storage, call.node)
        task.sleep(world.scaled(world.pace.get("remove", 0)))
        volume = world.volume(f"{storage.storage}:{name}", call.node)
        if (volume is not None and volume.protected) or f"{storage.storage}:{name}" in world.protection_marks:
            raise TaskError(_protected_text(storage, name))
        if volume is not None and world.volumes.clones_of(volume):
            raise TaskError(f"base volume '{name}' is still in use by linked clones")
        if volume is None and storage.type == "pbs":
            raise TaskError(pbs.not_forgotten(storage, name))
        if volume is None and storage.type in FILE_TYPES:
            task.log(f"disk image '{storage.file_path(name)}' does not exist")
        if volume is not None:
            erase(world, storage, volume)
        task.log(f"Removed volume '{storage.storage}:{name}'")
        release(world, task, lock)

    subject = f"{owner}@{storage.storage}" if owner else storage.storage
    upid = call.task("imgdel", subject, work)
    return _delayed(call, upid) if "delay" in call.params else upid


def _demand_removal(call: Call, storage: Storage, kind: str, owner: int | None) -> None:
    """The rights to remove: for a guest's archive these, whatever else the caller may."""
    path = f"/storage/{storage.storage}"
    if kind == "backup" and owner:
        access.demand(call.world, call.caller, path, "Datastore.AllocateSpace")
        access.demand(call.world, call.caller, f"/vms/{owner}", "VM.Backup")
    else:
        access.demand(call.world, call.caller, path, "Datastore.Allocate")


def _delayed(call: Call, upid: str) -> str | None:
    """With `delay`: null if it ended well in time, its error as HTTP 500, else the UPID."""
    task = call.world.tasks[upid]
    call.world.wait_for(lambda: not task.running, call.world.as_told(call.params["delay"]))
    if task.exitstatus is None:
        return upid
    if task.exitstatus != "OK":
        raise failed(task.exitstatus)
    return None


def _protected_text(storage: Storage, name: str) -> str:
    if storage.type == "pbs":
        return f"proxmox-backup-client failed: Error: cannot remove protected snapshot {name.removeprefix('backup/')}"
    return f"cannot remove protected volume '{name}' on '{storage.storage}'"
