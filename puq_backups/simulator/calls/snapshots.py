"""Snapshots of VMs."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, needs, needs_any, route
from ..world.disks import images
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Snapshot
from ..world.task import Task, TaskError


@route("GET", "/nodes/{node}/qemu/{vmid}/snapshot", needs("/vms/{vmid}", "VM.Audit"))
def snapshot_list(call: Call) -> Any:
    """The snapshots, and `current` that stands for now."""
    guest = call.world.guest(call.vmid, call.node)
    found: list[dict[str, Any]] = []
    for one in guest.snapshots:
        item = {"name": one.name, "description": one.description, "snaptime": one.time, "vmstate": 0}
        found.append(item | ({"parent": one.parent} if one.parent else {}))
    now = {"name": "current", "description": "You are here!", "digest": guest.digest()}
    parent = {"parent": guest.snapshots[-1].name} if guest.snapshots else {}
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
        for slot, drive in images(guest.config).items():
            volume = world.volume(drive["file"], call.node)
            if volume is not None and volume.format == "raw" and world.storages[volume.storage].type == "dir":
                raise TaskError("snapshot feature is not available")
            task.log(f"snapshotting 'drive-{slot}' ({drive['file']})")
        text = str(call.params.get("description", ""))
        parent = guest.snapshots[-1].name if guest.snapshots else None
        when = int(world.now(call.node))
        guest.snapshots = [*guest.snapshots, Snapshot(name, when, text, dict(guest.config), parent)]

    return call.task("qmsnapshot", call.vmid, work)


@route("DELETE", "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}", needs("/vms/{vmid}", "VM.Snapshot"))
def delete(call: Call) -> Any:
    """Remove a snapshot, as a task."""
    name = str(call.params["snapname"])

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        guest = call.world.guest(call.vmid, call.node)
        if not any(one.name == name for one in guest.snapshots):
            raise TaskError(f"snapshot '{name}' does not exist")
        refuse_locked(guest)
        guest.snapshots = [one for one in guest.snapshots if one.name != name]

    return call.task("qmdelsnapshot", call.vmid, work)


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback",
    needs_any("/vms/{vmid}", "VM.Snapshot", "VM.Snapshot.Rollback"),
)
def rollback(call: Call) -> Any:
    """Go back to a snapshot, as a task."""
    name = str(call.params["snapname"])

    def work(task: Task) -> None:
        from ..world.qemu import power_off, start_qemu

        take_config_lock(call.world, task, call.vmid)
        guest = call.world.guest(call.vmid, call.node)
        found = next((one for one in guest.snapshots if one.name == name), None)
        if found is None:
            raise TaskError(f"snapshot '{name}' does not exist")
        refuse_locked(guest)
        power_off(call.world, guest)
        guest.config = dict(found.config)
        if call.params.get("start"):
            start_qemu(call.world, task, guest)

    return call.task("qmrollback", call.vmid, work)


CONFIG = "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config"


def _snapshot(call: Call) -> Snapshot:
    guest = call.world.guest(call.vmid, call.node)
    found = next((one for one in guest.snapshots if one.name == call.params["snapname"]), None)
    if found is None:
        raise failed(f"snapshot '{call.params['snapname']}' does not exist")
    return found


@route(
    "GET",
    CONFIG,
    needs_any("/vms/{vmid}", "VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"),
)
def snapshot_config(call: Call) -> Any:
    """The configuration of a snapshot's moment."""
    found = _snapshot(call)
    parent = {"parent": found.parent} if found.parent else {}
    return {**found.config, **parent, "snaptime": found.time, "description": found.description}


@route("PUT", CONFIG, needs("/vms/{vmid}", "VM.Snapshot"))
def change_snapshot(call: Call) -> Any:
    """Change the description of a snapshot."""
    found = _snapshot(call)
    found.description = str(call.params.get("description", found.description))
