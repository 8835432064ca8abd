"""Snapshots of VMs."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, needs, needs_any, route
from ..schema.vm_options import UNUSED_SLOTS
from ..world import access
from ..world.disks import add_unused, drives, is_cdrom
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Config, Guest, Snapshot
from ..world.qemu import autostart, power_off
from ..world.state import World
from ..world.task import Task, TaskError
from ..world.volumes import FILE_TYPES

NOT_COPIED = ("lock", "description", "digest", *UNUSED_SLOTS)
"""What a snapshot does not take from a configuration."""


@route("GET", "/nodes/{node}/qemu/{vmid}/snapshot", needs("/vms/{vmid}", "VM.Audit"))
def snapshot_list(call: Call) -> Any:
    """The snapshots, and `current` that stands for now."""
    guest = call.world.guest(call.vmid, call.node)
    found: list[dict[str, Any]] = []
    for one in guest.snapshots:
        item = {"name": one.name, "description": one.description, "snaptime": one.time, "vmstate": 0}
        found.append(item | ({"parent": one.parent} if one.parent else {}))
    now = {"name": "current", "description": "You are here!", "digest": guest.digest()}
    parent = {"parent": guest.config["parent"]} if "parent" in guest.config else {}
    return [*found, {**now, "running": int(guest.running), **parent}]


@route("POST", "/nodes/{node}/qemu/{vmid}/snapshot", needs("/vms/{vmid}", "VM.Snapshot"))
def take(call: Call) -> Any:
    """Take a snapshot, as a task."""
    name = str(call.params["snapname"])
    if name == "current":
        raise failed("unable to use snapshot name 'current' (reserved name)")
    if name.lower() == "pending":
        raise failed("unable to use snapshot name 'pending' (reserved name)")
    call.world.guest(call.vmid, call.node)

    def work(task: Task) -> None:
        world = call.world
        take_config_lock(world, task, call.vmid)
        guest = world.guest(call.vmid, call.node)
        if guest.is_template:
            raise TaskError("you can't take a snapshot if it's a template")
        refuse_locked(guest)
        if any(one.name == name for one in guest.snapshots):
            raise TaskError(f"snapshot name '{name}' already used")
        disks = {slot: drive["file"] for slot, drive in drives(guest.config).items() if not is_cdrom(drive)}
        if not all(_can_have_snapshots(world, guest, volid) for volid in disks.values()):
            raise TaskError("snapshot feature is not available")
        for slot, volid in disks.items():
            task.log(f"snapshotting 'drive-{slot}' ({volid})")
        text = str(call.params.get("description", "")).rstrip()
        kept = {key: value for key, value in guest.config.items() if key not in (*NOT_COPIED, "parent")}
        parent = str(guest.config["parent"]) if "parent" in guest.config else None
        guest.snapshots = [*guest.snapshots, Snapshot(name, int(world.now(call.node)), text, kept, parent)]
        guest.config["parent"] = name

    return call.task("qmsnapshot", call.vmid, work)


def _can_have_snapshots(world: World, guest: Guest, volid: str) -> bool:
    """Files need the format qcow2; thick LVM has no snapshots."""
    volume = world.volume(volid, guest.node)
    if volume is None:
        return True
    kind = world.storages[volume.storage].type
    return volume.format == "qcow2" if kind in FILE_TYPES else kind not in ("lvm", "iscsi")


@route("DELETE", "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}", needs("/vms/{vmid}", "VM.Snapshot"))
def delete(call: Call) -> Any:
    """Remove a snapshot, as a task; what came after it comes after the one before it now."""
    name = str(call.params["snapname"])

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        guest = call.world.guest(call.vmid, call.node)
        gone = _named(guest, name)
        refuse_locked(guest)
        if guest.is_template:
            raise TaskError("you can't delete a snapshot if vm is a template")
        guest.snapshots = [one for one in guest.snapshots if one.name != name]
        for one in [one for one in guest.snapshots if one.parent == name]:
            one.parent = gone.parent
        if guest.config.get("parent") == name:
            del guest.config["parent"]
            guest.config.update({"parent": gone.parent} if gone.parent else {})

    return call.task("qmdelsnapshot", call.vmid, work)


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback",
    needs_any("/vms/{vmid}", "VM.Snapshot", "VM.Snapshot.Rollback"),
)
def rollback(call: Call) -> Any:
    """Go back to a snapshot, as a task. The description stays; disks that came later are unused then."""
    name = str(call.params["snapname"])
    if call.params.get("start") and call.world.is_9:
        access.demand(call.world, call.caller, f"/vms/{call.vmid}", "VM.PowerMgmt")

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        guest = call.world.guest(call.vmid, call.node)
        if guest.is_template:
            raise TaskError("you can't rollback if vm is a template")
        found = _named(guest, name)
        refuse_locked(guest)
        power_off(call.world, guest)
        later = [drive["file"] for drive in drives(guest.config).values() if not is_cdrom(drive)]
        kept: Config = {key: guest.config[key] for key in ("description", *UNUSED_SLOTS) if key in guest.config}
        guest.pending, guest.pending_delete = {}, []
        guest.config = {**kept, **found.config, "parent": name}
        there = {drive["file"] for drive in drives(guest.config).values()}
        for volid in [volid for volid in later if volid not in there]:
            add_unused(guest, volid)
        if call.params.get("start"):
            autostart(call.world, task, guest)

    return call.task("qmrollback", call.vmid, work)


CONFIG = "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config"


def _named(guest: Guest, name: str) -> Snapshot:
    found = next((one for one in guest.snapshots if one.name == name), None)
    if found is None:
        raise failed(f"snapshot '{name}' does not exist")
    return found


@route(
    "GET",
    CONFIG,
    needs_any("/vms/{vmid}", "VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"),
)
def snapshot_config(call: Call) -> Any:
    """The configuration of a snapshot's moment."""
    return _named(call.world.guest(call.vmid, call.node), str(call.params["snapname"])).whole()


@route("PUT", CONFIG, needs("/vms/{vmid}", "VM.Snapshot"))
def change_snapshot(call: Call) -> Any:
    """Change the description of a snapshot."""
    if "description" not in call.params:
        return
    guest = call.world.guest(call.vmid, call.node)
    refuse_locked(guest)
    _named(guest, str(call.params["snapname"])).description = str(call.params["description"]).rstrip()
