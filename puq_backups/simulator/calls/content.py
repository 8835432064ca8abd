"""The volumes of a storage: list, attributes, notes and protection, removal."""

from __future__ import annotations

from typing import Any

from ..answers import Prepared, Refusal, bad_parameters, failed
from ..http.router import Call, route
from ..schema.parameters import BOOLEAN, NODE, STORAGE_IN_PATH, Param
from ..world import access
from ..world.locks import release, take_storage_lock
from ..world.model import Storage
from ..world.storages import activate, check_protected_limit, erase, known
from ..world.task import Task, TaskError
from ..world.volumes import FILE_TYPES, Volume, name_parts
from .storages import ANY_OF_STORAGE, VMID_FILTER

PATH = "/nodes/{node}/storage/{storage}/content/{volume}"
BASE = {"node": NODE, "storage": STORAGE_IN_PATH}


@route(
    "GET",
    "/nodes/{node}/storage/{storage}/content",
    {"node": NODE, "storage": STORAGE_IN_PATH, "content": Param(), "vmid": VMID_FILTER},
    ANY_OF_STORAGE,
)
def content(call: Call) -> Any:
    """The volumes that the caller may see; others are left out without a word."""
    world, params = call.world, call.params
    storage = activate(world, params["storage"], call.node)
    allowed: dict[tuple[int, str], bool] = {}
    found = []
    for volume in world.volumes.at(world.place(storage.storage, call.node), params.get("vmid")):
        if params.get("content") not in (None, volume.content):
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
    """Storage, volume name, content and owner of the volume in the path; it need not exist."""
    text, name = str(call.params["volume"]), str(call.params["storage"])
    if ":" in text:
        prefix, _, text = text.partition(":")
        if prefix != name:
            raise bad_parameters({"storage": f"storage ID missmatch ({prefix} != {name})"})
    storage = known(call.world, name, call.node)
    try:
        kind, _format, owner = name_parts(text)
    except ValueError:
        raise failed(f"unable to parse directory volume name '{text}'") from None
    return storage, text, kind, owner


def _demand(call: Call, storage: Storage, name: str, kind: str, owner: int | None) -> None:
    """The rights on a volume by its name alone: it may have gone."""
    stand_in = Volume(storage.storage, name, kind, "raw", 0, 0, owner or 0)
    if kind == "backup" and owner is None:
        access.demand(call.world, call.caller, f"/storage/{storage.storage}", "Datastore.Allocate")
    access.demand_volume(call.world, call.caller, stand_in)


@route("GET", PATH, BASE)
def attributes(call: Call) -> Any:
    """One volume's attributes."""
    storage, name, kind, owner = _named(call)
    _demand(call, storage, name, kind, owner)
    activate(call.world, storage.storage, call.node)
    volid = f"{storage.storage}:{name}"
    volume = call.world.volume(volid, call.node)
    if volume is None:
        raise failed(f"volume_size_info on '{volid}' failed - no format")
    if kind != "backup":
        return {
            "path": storage.file_path(name),
            "size": volume.size,
            "used": volume.used,
            "format": volume.format,
        }
    rounded = -(-volume.size // 512) * 512
    return {
        "path": storage.file_path(name),
        "size": rounded if storage.type in FILE_TYPES else volume.size,
        "used": rounded,
        "format": "raw" if storage.type in FILE_TYPES else volume.format,
        "protected": int(volume.protected),
        "notes": volume.notes or "",
    }


@route("PUT", PATH, {**BASE, "notes": Param(), "protected": BOOLEAN})
def change(call: Call) -> Any:
    """Set notes and protection. On file storages nobody looks whether the archive is there."""
    storage, name, kind, owner = _named(call)
    _demand(call, storage, name, kind, owner)
    activate(call.world, storage.storage, call.node)
    if kind != "backup":
        note = "notes" in call.params
        raise failed("only backups can have notes" if note else "only backups support attribute 'protected'")
    volume = call.world.volume(f"{storage.storage}:{name}", call.node)
    if volume is None:
        if storage.type == "pbs":
            raise failed(f"proxmox-backup-client failed: Error: unable to get snapshot '{name}'")
        return
    if "notes" in call.params:
        volume.notes = call.params["notes"]
    if "protected" in call.params:
        if call.params["protected"] and not volume.protected:
            check_protected_limit(call.world, call.caller, storage, call.node, volume.vmid)
        volume.protected = bool(call.params["protected"])
    call.world.volumes.report("changed", volume)


@route("DELETE", PATH, {**BASE, "delay": Param("integer", minimum=1, maximum=30)})
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
        if volume is not None and volume.protected:
            raise TaskError(_protected_text(storage, name))
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
