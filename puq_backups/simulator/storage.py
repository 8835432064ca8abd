"""Storages and what is on them."""

from __future__ import annotations

import re
from typing import Any

from . import access, retention, tasks
from .answers import Prepared, Refusal, bad_parameters, failed
from .control import storage_lock
from .router import Call, needs, needs_any, route
from .schema import BOOLEAN, NODE, PRUNE, STORAGE, STORAGE_IN_PATH, Param, vmid_format
from .state import DISK_TOTAL, Storage, World
from .tasks import Task, TaskError
from .volumes import FILE_TYPES, Volume, name_parts

ROOMY_USED = 31_256_563_712
LOCK_SECONDS = 10
SEEN_BY = ("Datastore.Audit", "Datastore.AllocateSpace")
ANY_OF_STORAGE = needs_any("/storage/{storage}", *SEEN_BY)
VMID_FILTER = Param("integer", format=vmid_format, minimum=100)


def known(world: World, name: str, node: str) -> Storage:
    """A storage that is configured, enabled and meant for the node, or Proxmox's refusal."""
    storage = world.storages.get(name)
    if storage is None:
        raise failed(f"storage '{name}' does not exist")
    if storage.disabled:
        raise failed(f"storage '{name}' is disabled")
    if storage.nodes and node not in storage.nodes:
        raise failed(f"storage '{name}' is not available on node '{node}'")
    return storage


def activate(world: World, name: str, node: str) -> Storage:
    """The same, and it must be reachable. A slow one takes its time."""
    storage = known(world, name, node)
    if storage.seconds:
        world.wait_for(lambda: False, world.as_told(storage.seconds))
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
    return (total, total, 0) if storage.full else (total, used, total - used)


def _described(world: World, storage: Storage, node: str) -> dict[str, Any]:
    active = not storage.is_offline(node) and not storage.disabled
    total, used, avail = usage(world, storage, node) if active else (0, 0, 0)
    return {
        "type": storage.type,
        "content": ",".join(storage.content),
        "enabled": int(not storage.disabled),
        "active": int(active),
        "shared": int(storage.shared),
        "total": total,
        "used": used,
        "avail": avail,
    }


@route(
    "GET",
    "/nodes/{node}/storage",
    {
        "node": NODE,
        "storage": STORAGE,
        "content": Param(),
        "enabled": BOOLEAN,
        "target": Param(),
        "format": BOOLEAN,
    },
)
def storage_list(call: Call) -> Any:
    """The storages of a node that the caller may see, each activated."""
    world, params = call.world, call.params
    contents = set(re.split(r"[,;\s]+", str(params["content"]))) if "content" in params else None
    found = []
    for storage in world.storages.values():
        granted = access.privileges(world, call.caller, f"/storage/{storage.storage}")
        if not {*SEEN_BY, "Datastore.Allocate"} & set(granted):
            continue
        if storage.nodes and call.node not in storage.nodes:
            continue
        if params.get("storage") not in (None, storage.storage) or (contents and not contents & set(storage.content)):
            continue
        if params.get("enabled") and storage.disabled:
            continue
        if storage.seconds:
            world.wait_for(lambda: False, world.as_told(storage.seconds))
        item = {"storage": storage.storage, **_described(world, storage, call.node)}
        if item["total"]:
            item["used_fraction"] = item["used"] / item["total"]
        found.append(item)
    return found


@route(
    "GET",
    "/nodes/{node}/storage/{storage}/status",
    {"node": NODE, "storage": STORAGE_IN_PATH},
    ANY_OF_STORAGE,
)
def storage_status(call: Call) -> Any:
    """One storage: what it is and how full."""
    world = call.world
    storage = world.storages.get(call.params["storage"])
    if storage is None or (storage.nodes and call.node not in storage.nodes):
        raise bad_parameters({"storage": "No such storage."})
    if storage.seconds:
        world.wait_for(lambda: False, world.as_told(storage.seconds))
    return _described(world, storage, call.node)


def _configuration(storage: Storage) -> dict[str, Any]:
    found: dict[str, Any] = {
        "storage": storage.storage,
        "type": storage.type,
        "content": ",".join(storage.content),
        "shared": int(storage.shared),
    }
    if storage.type in FILE_TYPES:
        found["path"] = storage.path
    optional = {"prune-backups": storage.prune, "max-protected-backups": storage.max_protected}
    found |= {key: value for key, value in optional.items() if value is not None}
    if storage.nodes:
        found["nodes"] = ",".join(storage.nodes)
    if storage.disabled:
        found["disable"] = 1
    return found


@route("GET", "/storage", {"type": Param()}, protected=False)
def configurations(call: Call) -> Any:
    """storage.cfg, as far as the caller may see it."""
    return [
        _configuration(storage)
        for storage in call.world.storages.values()
        if {"Datastore.Audit", "Datastore.Allocate", "Datastore.AllocateSpace"}
        & set(access.privileges(call.world, call.caller, f"/storage/{storage.storage}"))
        and call.params.get("type") in (None, storage.type)
    ]


@route(
    "GET",
    "/storage/{storage}",
    {"storage": STORAGE_IN_PATH},
    needs("/storage/{storage}", "Datastore.Allocate"),
    protected=False,
)
def configuration(call: Call) -> Any:
    """One storage's entry in storage.cfg."""
    storage = call.world.storages.get(call.params["storage"])
    if storage is None:
        raise failed(f"storage '{call.params['storage']}' does not exist")
    return _configuration(storage)


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


PATH = "/nodes/{node}/storage/{storage}/content/{volume}"
BASE = {"node": NODE, "storage": STORAGE_IN_PATH}


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


def check_protected_limit(world: World, caller: access.Caller, storage: Storage, node: str, vmid: int) -> None:
    """Refuse one more protected archive where the guest has as many as it may."""
    limit = storage.max_protected
    if limit is None:
        limit = -1 if access.may(world, caller, f"/storage/{storage.storage}", "Datastore.Allocate") else 5
    there = world.volumes.at(world.place(storage.storage, node), vmid, "backup")
    if 0 <= limit <= sum(one.protected for one in there):
        raise failed(
            f"The number of protected backups per guest is limited to {limit} on storage '{storage.storage}'"
        )


def take_storage_lock(world: World, task: Task, storage: Storage, node: str) -> str:
    """The lock that guards changes of a storage; give it back with tasks.release."""
    name = storage_lock(world, storage.storage, node)
    if storage.shared and not world.quorum:
        raise TaskError(f"cfs-lock '{name}' error: no quorum!")
    if tasks.flock(world, task, name, LOCK_SECONDS):
        return name
    if storage.shared:
        raise TaskError(f"cfs-lock '{name}' error: got lock request timeout")
    raise TaskError(f"can't lock file '{name.partition(':')[2]}' - got timeout")


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
        tasks.release(world, task, lock)

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


def erase(world: World, storage: Storage, volume: Volume) -> None:
    """Take a volume away; on PBS its space stays used."""
    world.volumes.remove(volume)
    if storage.type == "pbs":
        storage.kept_by_garbage += volume.size


PRUNE_PARAMS = {**BASE, "prune-backups": PRUNE, "type": Param(enum=("qemu", "lxc")), "vmid": VMID_FILTER}


def _rules(call: Call, storage: Storage) -> dict[str, int]:
    if "backup" not in storage.content:
        raise failed(f"storage '{storage.storage}' does not support backups")
    text = call.params.get("prune-backups") or storage.prune
    if not text:
        raise failed(f"no prune-backups options configured for storage '{storage.storage}'")
    return retention.parse(str(text))


@route("GET", "/nodes/{node}/storage/{storage}/prunebackups", PRUNE_PARAMS, ANY_OF_STORAGE)
def prune_preview(call: Call) -> Any:
    """What pruning would do with each archive."""
    storage = known(call.world, call.params["storage"], call.node)
    rules = _rules(call, storage)
    activate(call.world, storage.storage, call.node)
    marked = retention.mark(_prunable(call, storage), rules)
    return [
        {
            "volid": volume.volid,
            "ctime": volume.ctime,
            "mark": mark,
            "type": volume.subtype,
            "vmid": volume.vmid,
        }
        for volume, mark in marked
    ]


def _prunable(call: Call, storage: Storage) -> list[Volume]:
    there = call.world.volumes.at(call.world.place(storage.storage, call.node), call.params.get("vmid"), "backup")
    return [one for one in there if call.params.get("type") in (None, one.subtype)]


@route("DELETE", "/nodes/{node}/storage/{storage}/prunebackups", PRUNE_PARAMS)
def prune(call: Call) -> Any:
    """Prune, as a task."""
    name, vmid, world = call.params["storage"], call.params.get("vmid"), call.world
    if vmid is None:
        access.demand(world, call.caller, f"/storage/{name}", "Datastore.Allocate")
    else:
        access.demand(world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
        access.demand(world, call.caller, f"/vms/{vmid}", "VM.Backup")

    def work(task: Task) -> None:
        storage = known(world, name, call.node)
        rules = _rules(call, storage)
        activate(world, name, call.node)
        for volume, mark in retention.mark(_prunable(call, storage), rules):
            if mark == "remove":
                erase(world, storage, volume)
                task.log(f"removing backup '{volume.volid}'")

    return call.task("prunebackups", f"{vmid}@{name}" if vmid else name, work)
