"""POST /nodes/{node}/qemu/{vmid}/move_disk: to another storage, or to another VM."""

from __future__ import annotations

from typing import Any

from ..answers import Refusal, bad_parameters, failed
from ..http.router import Call, needs, route
from ..schema.property_strings import parse_drive, print_drive
from ..schema.vm_options import UNUSED_SLOTS
from ..world import access
from ..world.disks import add_unused, free_name, image_storage, is_cdrom, is_cloudinit, referenced, with_size
from ..world.guests import to_template
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Guest
from ..world.storages import activate
from ..world.task import Task, TaskError
from ..world.volumes import Volume
from .config_checks import split_names
from .config_live import sets_live
from .copy_image import copy_image

MODIFIED = "detected modified configuration - file changed by other user? Try again."
EITHER = "either set 'storage' or 'target-vmid', but not both"


@route("POST", "/nodes/{node}/qemu/{vmid}/move_disk", needs("/vms/{vmid}", "VM.Config.Disk"))
def move_disk(call: Call) -> Any:
    """Move a disk, as a task."""
    storage, target = call.params.get("storage"), call.params.get("target-vmid")
    if storage and target:
        raise bad_parameters({"target-vmid": EITHER, "storage": EITHER})
    if target:
        return _to_vm(call, int(target))
    if not storage:
        text = "both 'storage' and 'target-vmid' missing, either needs to be set"
        raise bad_parameters({"target-vmid": text, "storage": text})
    access.demand(call.world, call.caller, f"/storage/{storage}", "Datastore.AllocateSpace")
    _check_move(call, str(storage))

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        _move(call, task, str(storage))

    return call.task("qmmove", call.vmid, work)


def _check_move(call: Call, storage: str) -> tuple[Guest, dict[str, str], Volume]:
    """The VM, the drive and its image. Raises what Proxmox refuses before and in the task."""
    world, slot = call.world, str(call.params["disk"])
    guest = world.guest(call.vmid, call.node)
    refuse_locked(guest)
    if call.params.get("digest") not in (None, "", guest.digest()):
        raise failed(MODIFIED)
    if slot not in guest.config:
        raise failed(f"disk '{slot}' does not exist")
    drive = parse_drive(str(guest.config[slot]))
    if is_cdrom(drive) and not is_cloudinit(drive):
        raise failed("you can't move a cdrom")
    volume = world.volume(drive["file"], call.node)
    if volume is None:
        raise failed(f"disk '{slot}' has no associated volume")
    fmt = call.params.get("format")
    if volume.storage == storage and fmt in (None, volume.format):
        raise failed("you can't move to the same storage with same format")
    if "images" not in image_storage(world, storage, call.node).content:
        raise bad_parameters({"storage": f"storage '{storage}' does not support vm images"})
    if call.params.get("delete") and any(volume.volid in referenced(one.config) for one in guest.snapshots):
        raise failed("you can't move a disk with snapshots and delete the source")
    return guest, drive, volume


def _move(call: Call, task: Task, storage: str) -> None:
    world, slot = call.world, str(call.params["disk"])
    guest, drive, volume = _check_move(call, storage)
    if world.is_9:
        task.log(
            f"copying volume '{volume.volid}' from current storage '{volume.storage}' to target storage '{storage}'"
        )
    fmt = str(call.params.get("format") or volume.format)
    try:
        fresh = copy_image(world, task, call.node, guest.vmid, slot, volume, storage, fmt)
    except (TaskError, Refusal) as problem:
        text = problem.in_task if isinstance(problem, Refusal) else str(problem)
        raise TaskError(f"storage migration failed: {text}") from None
    guest.config[slot] = with_size(world, call.node, {**drive, "file": fresh.volid})
    if not call.params.get("delete"):
        unused = add_unused(guest, volume.volid)
        if world.is_9:
            task.log(f"adding source volume '{volume.volid}' as '{unused}' to config")
    if guest.is_template:
        to_template(world, guest, slot)
    if call.params.get("delete"):
        _remove_source(call, task, volume)


def _remove_source(call: Call, task: Task, volume: Volume) -> None:
    if call.world.is_9:
        task.log(f"removing source volume '{volume.volid}' after successful copy")
    try:
        activate(call.world, volume.storage, call.node)
    except Refusal as problem:
        task.log(problem.in_task)
    else:
        call.world.volumes.remove(volume)


def _to_vm(call: Call, target: int) -> str:
    """Give a disk to another VM of the node: its image gets a name of that VM's."""
    access.demand(call.world, call.caller, f"/vms/{target}", "VM.Config.Disk")
    if target == call.vmid:
        raise bad_parameters({"target-vmid": "must be different than source VMID to reassign disk"})
    _source, _other, volume = _check_reassign(call, target)
    access.demand(call.world, call.caller, f"/storage/{volume.storage}", "Datastore.AllocateSpace")
    slot, new_slot = _slots(call)

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        take_config_lock(call.world, task, target)
        _reassign(call, task, target)

    return call.task("qmmove", f"{call.vmid}-{slot}>{target}-{new_slot}", work)


def _slots(call: Call) -> tuple[str, str]:
    slot = str(call.params["disk"])
    return slot, str(call.params.get("target-disk") or slot)


def _two_vms(call: Call, target: int) -> tuple[Guest, Guest]:
    """The VM that has the disk and the one that is to have it."""
    world = call.world
    if call.vmid not in world.guests:
        raise failed(f"could not find VM {call.vmid}")
    if target not in world.guests:
        raise failed(f"could not find target VM {target}")
    source, other = world.guests[call.vmid], world.guests[target]
    if source.node != other.node:
        raise failed(f"Both VMs need to be on the same node ({source.node} != {other.node})")
    refuse_locked(world.guest(call.vmid, call.node))
    refuse_locked(other)
    if source.is_template or other.is_template:
        raise failed("Can't move disks from or to template VMs")
    for key, guest in (("digest", source), ("target-digest", other)):
        if call.params.get(key) not in (None, "", guest.digest()):
            raise failed(f"VM {guest.vmid}: {MODIFIED}")
    return source, other


def _check_reassign(call: Call, target: int) -> tuple[Guest, Guest, Volume]:
    (source, other), (slot, new_slot) = _two_vms(call, target), _slots(call)
    if slot not in source.config:
        raise failed(f"Disk '{slot}' for VM '{source.vmid}' does not exist")
    if new_slot in other.config:
        raise failed(f"Target disk key '{new_slot}' is already in use for VM '{target}'")
    drive = parse_drive(str(source.config[slot]))
    if is_cdrom(drive) and not is_cloudinit(drive):
        raise failed("CD drive contents can't be moved to another VM")
    volume = call.world.volume(drive["file"], call.node)
    if volume is None:
        raise failed(f"disk '{slot}' has no associated volume")
    if any(volume.volid in referenced(one.config) for one in source.snapshots):
        raise failed("Can't move disk used by a snapshot to another VM")
    if source.running and slot not in UNUSED_SLOTS:
        raise failed("Cannot move disk to another VM while the source VM is running - detach first")
    return source, other, volume


def _reassign(call: Call, task: Task, target: int) -> None:
    world, (slot, new_slot) = call.world, _slots(call)
    source, other, volume = _check_reassign(call, target)
    task.log(f"reassign disk '{slot}' from VM '{source.vmid}' as '{new_slot}' to VM '{target}'")
    drive = parse_drive(str(source.config.pop(slot)))
    world.volumes.remove(volume)
    base = free_name(world, volume.storage, call.node, target)
    volume.name, volume.vmid = world.storages[volume.storage].image_name(target, base, volume.format), target
    world.volumes.add(volume)
    order = split_names(str(source.config.get("boot", "")).removeprefix("order="))
    if slot in order:
        task.log(f"removing disk '{slot}' from boot order config")
        left = [one for one in order if one != slot]
        source.config["boot"] = f"order={';'.join(left)}" if left else " "
    task.log(f"removing disk '{slot}' from VM '{source.vmid}' config")
    if new_slot in UNUSED_SLOTS:
        other.config[new_slot] = volume.volid
        return
    text = print_drive({**drive, "file": volume.volid})
    live = not other.running or sets_live(world, other, new_slot, text)
    (other.config if live else other.pending)[new_slot] = text
