"""Clones, and turning a VM into a template."""

from __future__ import annotations

import uuid
from typing import Any

from ..answers import Refusal, bad_parameters, failed, forbidden
from ..http.router import Call, needs, route
from ..schema.parameters import BOOLEAN, NODE, STORAGE, VMID, Param, dns_format, vmid_format
from ..schema.property_strings import net_parts, print_drive, print_net
from ..schema.vm_options import DRIVE_SLOTS, NETS
from ..world import access
from ..world.disks import (
    CLOUDINIT_SIZE,
    allocate,
    drives,
    image_storage,
    is_cdrom,
    is_cloudinit,
    with_size,
)
from ..world.guests import to_template
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Config, Guest
from ..world.state import World, new_mac
from ..world.storages import activate
from ..world.task import Task, TaskError
from ..world.volumes import FILE_TYPES, Volume
from .config_checks import demand_bridge


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/clone",
    {
        "node": NODE,
        "vmid": VMID,
        "newid": Param("integer", optional=False, format=vmid_format, minimum=100),
        "name": Param(format=dns_format),
        "description": Param(),
        "pool": Param(),
        "snapname": Param(),
        "storage": STORAGE,
        "format": Param(enum=("raw", "qcow2", "vmdk")),
        "full": BOOLEAN,
        "target": Param(),
        "bwlimit": Param("integer", minimum=0),
    },
    needs("/vms/{vmid}", "VM.Clone"),
)
def clone(call: Call) -> Any:
    """Clone a VM or template, as a task."""
    world, vmid = call.world, call.vmid
    newid = int(call.params["newid"])
    _check_clone(call, newid)
    source = world.guest(vmid, call.node)
    refuse_locked(source)
    _refuse_taken(world, newid)

    def work(task: Task) -> None:
        _refuse_taken(world, newid)
        # Made on the source's node; a clone for another one moves there in its last act.
        guest = world.guests[newid] = Guest(newid, call.node, {"lock": "clone"})
        made: list[Volume] = []
        try:
            _clone(call, task, source, guest, made)
        except (TaskError, Refusal) as problem:
            for volume in made:
                world.volumes.remove(volume)
            world.guests.pop(newid, None)
            text = problem.in_task if isinstance(problem, Refusal) else str(problem)
            raise TaskError(f"clone failed: {text}") from None

    return call.task("qmclone", vmid, work)


def _refuse_taken(world: World, vmid: int) -> None:
    if vmid in world.guests:
        raise failed(f"unable to create VM {vmid}: config file already exists")


def _target(call: Call) -> str | None:
    """The other node that a clone is for."""
    target = call.params.get("target")
    return None if target in (None, call.node, "localhost") else str(target)


def _check_clone(call: Call, newid: int) -> None:
    world, params = call.world, call.params
    source = world.guest(call.vmid, call.node)
    pool = params.get("pool")
    allowed = access.may(world, call.caller, f"/vms/{newid}", "VM.Allocate")
    in_pool = pool and access.may(world, call.caller, f"/pool/{pool}", "VM.Allocate")
    if not allowed and not in_pool:
        raise forbidden()
    if pool and pool not in world.pools:
        raise failed(f"pool '{pool}' does not exist")
    _check_clone_storages(call, source)
    for key in [key for key in source.config if key in NETS]:
        demand_bridge(world, call.caller, str(source.config[key]))
    linked = source.is_template and not params.get("full")
    for slot, drive in drives(source.config).items():
        volume = world.volume(drive["file"], call.node)
        if (
            linked
            and volume is not None
            and volume.format == "raw"
            and world.storages[volume.storage].type in FILE_TYPES
        ):
            raise failed(f"Linked clone feature is not supported for drive '{slot}'")


def _check_clone_storages(call: Call, source: Guest) -> None:
    """The right to put each disk where it goes; a clone for another node needs shared storages at both ends."""
    world, target, storage = call.world, _target(call), call.params.get("storage")
    if target is not None and target not in world.nodes:
        raise failed(f"no such cluster node '{target}'")
    if storage is not None:
        found = image_storage(world, str(storage), call.node)
        if "images" not in found.content:
            raise bad_parameters({"storage": f"storage '{storage}' does not support vm images"})
        if target is not None:
            image_storage(world, str(storage), target)
        if target is not None and not found.shared:
            raise failed(f"can't clone to non-shared storage '{storage}'")
    if not world.quorum:
        raise failed("cluster not ready - no quorum?")
    used = [drive for drive in drives(source.config).values() if ":" in drive["file"]]
    for drive in used:
        name = str(storage or drive["file"].partition(":")[0])
        if not is_cdrom(drive):
            access.demand(world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
    local = any(not world.storages[drive["file"].partition(":")[0]].shared for drive in used)
    if target is not None and local:
        raise failed(f"can't clone VM to node '{target}' (VM uses local storage)")


def _clone(call: Call, task: Task, source: Guest, guest: Guest, volumes: list[Volume]) -> None:
    world, params = call.world, call.params
    guest.firewall_options, guest.firewall_rules = dict(source.firewall_options), list(source.firewall_rules)
    task.sleep(world.scaled(world.pace.get("clone", 0)))
    if world.is_9:
        task.log(f"creating a clone of VM {source.vmid} with ID {guest.vmid}")
    made: Config = {key: value for key, value in source.config.items() if key not in ("template", "lock", "parent")}
    for key in [key for key in made if key in NETS]:
        made[key] = print_net({**net_parts(str(made[key])), "macaddr": new_mac()})
    made["smbios1"] = f"uuid={uuid.uuid4()}"
    if "vmgenid" in made:
        made["vmgenid"] = str(uuid.uuid4())
    for slot in sorted(slot for slot in made if slot in DRIVE_SLOTS):
        made[slot] = _clone_drive(call, task, guest, slot, drives(made)[slot], volumes)
    for key in [key for key in made if key.startswith("unused")]:
        del made[key]
    for key in ("name", "description"):
        if key in params:
            made[key] = params[key]
    made.setdefault("name", f"Copy-of-VM-{source.name}")
    guest.config, guest.node = made, _target(call) or guest.node
    if params.get("pool"):
        world.pools[str(params["pool"])].add(guest.vmid)
    world.rights_changed()


def _clone_drive(
    call: Call, task: Task, guest: Guest, slot: str, drive: dict[str, str], volumes: list[Volume]
) -> str:
    world = call.world
    volume = world.volume(drive["file"], call.node)
    if volume is None:
        return print_drive(drive)
    storage = str(call.params.get("storage") or volume.storage)
    activate(world, storage, call.node)
    task.log(f"create full clone of drive {slot} ({drive['file']})")
    cloudinit = is_cloudinit(drive)
    size = CLOUDINIT_SIZE if cloudinit else volume.size
    base = f"vm-{guest.vmid}-cloudinit" if cloudinit else ""
    fmt = str(call.params.get("format") or volume.format)
    fresh = allocate(world, guest.node, storage, guest.vmid, size, fmt, task.log, base=base)
    volumes.append(fresh)
    fresh.data, fresh.used = volume.data, volume.used
    if world.is_9:
        task.log(f"allocated target volume '{fresh.volid}'")
    if not cloudinit:
        shown = f"{size / 1024**2:.1f} MiB"
        task.log(f"transferred 0.0 B of {shown} (0.00%)")
        task.log(f"transferred {shown} of {shown} (100.00%)")
        task.log(f"transferred {shown} of {shown} (100.00%)")
    return with_size(world, guest.node, {**drive, "file": fresh.volid})


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/template",
    {"node": NODE, "vmid": VMID, "disk": Param()},
    needs("/vms/{vmid}", "VM.Allocate"),
)
def make_template(call: Call) -> Any:
    """Make a VM a template, as a task."""

    def work(task: Task) -> None:
        world = call.world
        take_config_lock(world, task, call.vmid)
        guest = world.guest(call.vmid, call.node)
        refuse_locked(guest)
        if guest.running:
            raise TaskError(f"you can't convert a VM to template if VM is running ({call.vmid})")
        if guest.snapshots:
            raise TaskError("unable to create template, because VM contains snapshots")
        to_template(world, guest)

    return call.task("qmtemplate", call.vmid, work)
