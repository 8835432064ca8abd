"""Making, cloning, destroying VMs, and making them templates."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

from . import access, config
from .answers import Refusal, bad_parameters, failed, forbidden
from .disks import (
    CLOUDINIT_SIZE,
    allocate,
    drives,
    free,
    image_storage,
    is_cdrom,
    is_cloudinit,
    referenced,
    with_size,
)
from .options import CREATE, DRIVE_SLOTS, NETS
from .propstrings import net_parts, print_drive, print_net
from .router import Call, needs, route
from .schema import BOOLEAN, NODE, STORAGE, VMID, Param, dns_format, vmid_format
from .snapshots import refuse_locked, take_config_lock
from .state import Config, Guest, World, new_mac
from .storage import activate
from .tasks import Task, TaskError
from .volumes import FILE_TYPES, Volume

QEMU = "11.0.0"


def create(call: Call) -> Any:
    """Make a VM, as a task."""
    world, params, vmid = call.world, call.params, call.vmid
    in_pool = "pool" in params and access.may(world, call.caller, f"/pool/{params['pool']}", "VM.Allocate")
    if not access.may(world, call.caller, f"/vms/{vmid}", "VM.Allocate") and not in_pool:
        raise forbidden()
    wishes: Config = {key: value for key, value in params.items() if key not in {*CREATE, "node", "ha-managed"}}
    config.check_rights(call, {}, wishes, ())
    config.check_drives(call, wishes)
    config.check_memory(wishes, wishes)
    config.check_boot_order(wishes, wishes)
    if vmid in world.guests:
        where = world.guests[vmid].node
        raise failed(f"unable to create VM {vmid} - VM {vmid} already exists on node '{where}'")
    if not world.quorum:
        raise failed("cluster not ready - no quorum?")
    guest = world.guests[vmid] = Guest(vmid, call.node, {"lock": "create"})

    def work(task: Task) -> None:
        try:
            make(task)
        except (TaskError, Refusal) as problem:
            forget(world, guest, unreferenced=True)
            text = problem.in_task if isinstance(problem, Refusal) else str(problem)
            raise TaskError(f"unable to create VM {vmid} - {text}") from None

    def make(task: Task) -> None:
        take_config_lock(world, task, vmid, 1)
        made: Config = {}
        for key in sorted(wishes):
            made[key] = config.stored(world, call.node, vmid, key, wishes[key], task.log)
        made.setdefault("boot", f"order={';'.join(_bootable(made))}")
        made.setdefault("vmgenid", str(uuid.uuid4()))
        made.setdefault("smbios1", f"uuid={uuid.uuid4()}")
        made["meta"] = f"creation-qemu={QEMU},ctime={int(time.time())}"
        guest.config = made
        if "pool" in params:
            world.pools.setdefault(str(params["pool"]), set()).add(vmid)
        if params.get("start"):
            task.log("Execute autostart")
            autostart(world, task, guest)

    return call.task("qmcreate", vmid, work)


def _bootable(made: Config) -> list[str]:
    """The boot order of a VM for which none was given: first disk, first CD drive, first network device."""
    found = drives(made)
    disks = [slot for slot in found if not is_cdrom(found[slot])]
    cdroms = [slot for slot in found if is_cdrom(found[slot]) and not is_cloudinit(found[slot])]
    return [*disks[:1], *cdroms[:1], *[key for key in NETS if key in made][:1]]


def autostart(world: World, task: Task, guest: Guest) -> None:
    """Start a VM at the end of a task; that it fails is only told in the log."""
    from .power import start_qemu

    try:
        start_qemu(world, task, guest)
    except (TaskError, Refusal) as problem:
        task.log(str(problem).strip())


def forget(world: World, guest: Guest, *, unreferenced: bool = False) -> None:
    """Destroy a VM: its disks, its place in pools, the rights on it. Its archives stay."""
    for volid in referenced(guest.config):
        volume = world.volume(volid, guest.node)
        if volume is not None and volume.vmid == guest.vmid:
            free(world, guest.node, volid)
    if unreferenced:
        for name in world.storages:
            for volume in world.volumes.at(world.place(name, guest.node), guest.vmid, "images"):
                world.volumes.remove(volume)
    for members in world.pools.values():
        members.discard(guest.vmid)
    world.acl = [entry for entry in world.acl if entry["path"] != f"/vms/{guest.vmid}"]
    world.rights_changed()
    world.guests.pop(guest.vmid, None)


@route(
    "DELETE",
    "/nodes/{node}/qemu/{vmid}",
    {
        "node": NODE,
        "vmid": VMID,
        "purge": BOOLEAN,
        "destroy-unreferenced-disks": BOOLEAN,
        "skiplock": BOOLEAN,
    },
    needs("/vms/{vmid}", "VM.Allocate"),
)
def destroy(call: Call) -> Any:
    """Destroy a VM, as a task; what forbids it is told at once."""
    from .power import refuse_skiplock

    refuse_skiplock(call)
    world, vmid = call.world, call.vmid
    guest = world.guest(vmid, call.node)
    purge = bool(call.params.get("purge"))
    _refuse_destroying(guest, purge)

    def work(task: Task) -> None:
        take_config_lock(world, task, vmid)
        found = world.guest(vmid, call.node)
        refuse_locked(found)
        _refuse_destroying(found, purge)
        forget(world, found, unreferenced=bool(call.params.get("destroy-unreferenced-disks")))
        if purge:
            task.log(f"purging VM {vmid} from related configurations..")
        if purge and found.ha:
            task.log(f"NOTE: removed VM {vmid} from HA resource configuration.")

    return call.task("qmdestroy", vmid, work)


def _refuse_destroying(guest: Guest, purge: bool) -> None:
    if guest.config.get("protection"):
        raise failed(f"can't remove VM {guest.vmid} - protection mode enabled")
    if guest.ha and not purge:
        raise failed(f"unable to remove VM {guest.vmid} - used in HA resources and purge parameter not set.")
    if guest.running:
        raise failed(f"VM {guest.vmid} is running - destroy failed")


def to_template(world: World, guest: Guest) -> None:
    """Make a VM a template: its images become base images."""
    guest.config["template"] = 1
    for slot, drive in drives(guest.config).items():
        volume = world.volume(drive["file"], guest.node)
        if volume is None or is_cdrom(drive):
            continue
        world.volumes.remove(volume)
        volume.name = re.sub(r"(^|/)vm-", r"\1base-", volume.name)
        world.volumes.add(volume)
        guest.config[slot] = print_drive({**drive, "file": volume.volid})


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
        config.demand_bridge(world, call.caller, str(source.config[key]))
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
