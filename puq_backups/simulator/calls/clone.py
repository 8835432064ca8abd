"""Clones, and turning a VM into a template."""

from __future__ import annotations

import uuid
from typing import Any

from ..answers import Refusal, bad_parameters, failed, forbidden, no_pool
from ..http.router import Call, needs, route
from ..schema.parameters import properties
from ..schema.property_strings import net_parts, print_drive, print_net
from ..schema.vm_options import DRIVE_SLOTS, NETS
from ..world import access
from ..world.disks import drives, free_name, image_storage, is_cdrom, is_cloudinit, with_size
from ..world.guests import to_template
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Config, Guest, tidied
from ..world.state import World, new_mac
from ..world.storages import activate, configured
from ..world.task import Task, TaskError
from ..world.volumes import FILE_TYPES, Volume
from .config_checks import demand_bridge
from .copy_image import copy_image

OLD_LAYOUT = "cluster_size=65536 extended_l2=off"


@route("POST", "/nodes/{node}/qemu/{vmid}/clone", needs("/vms/{vmid}", "VM.Clone"))
def clone(call: Call) -> Any:
    """Clone a VM or template, as a task."""
    world, vmid = call.world, call.vmid
    newid = int(call.params["newid"])
    source = _check_clone(call, newid)

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


def _is_full(call: Call, source: Guest) -> bool:
    """Whether the clone is a full copy: by default of a VM, not of a template."""
    return bool(call.params.get("full", not source.is_template))


def _check_clone(call: Call, newid: int) -> Guest:
    """The checks before the task, in Proxmox's order. Returns the VM to be cloned."""
    world, params = call.world, call.params
    pool = params.get("pool")
    allowed = access.may(world, call.caller, f"/vms/{newid}", "VM.Allocate")
    in_pool = pool and access.may(world, call.caller, f"/pool/{pool}", "VM.Allocate")
    if not allowed and not in_pool:
        raise forbidden(f"/vms/{newid}", "VM.Allocate")
    source = world.guest_to_run(call.vmid, call.node)
    if pool and pool not in world.pools:
        raise no_pool(str(pool))
    _check_clone_target(call)
    refuse_locked(source)
    if "snapname" in params and not any(one.name == params["snapname"] for one in source.snapshots):
        raise failed(f"snapshot '{params['snapname']}' does not exist")
    for key in ("storage", "format"):
        if key in params and not _is_full(call, source):
            raise failed(f"parameter '{key}' not allowed for linked clones")
    config = _cloned_config(call, source)
    _check_clone_storages(call, config)
    for key in sorted(key for key in config if key in NETS):
        demand_bridge(world, call.caller, str(config[key]))
    if _target(call) is not None and _uses_local(world, config):
        raise failed(f"can't clone VM to node '{_target(call)}' (VM uses local storage)")
    _refuse_taken(world, newid)
    _check_features(call, source, config)
    return source


def _cloned_config(call: Call, source: Guest) -> Config:
    """What is cloned: the VM as it is, or a snapshot of it."""
    name = call.params.get("snapname")
    return next((one.config for one in source.snapshots if one.name == name), source.config)


def _check_features(call: Call, source: Guest, config: Config) -> None:
    """A linked clone needs base images; files have none of a snapshot. A TPM's state is copied while it is off."""
    at = " a snapshot of" if call.params.get("snapname") else ""
    full = _is_full(call, source)
    if full and not at and source.running and "tpmstate0" in config:
        raise failed("cannot clone TPM state while VM is running")
    for slot, drive in sorted(drives(config).items()):
        volume = call.world.volume(drive["file"], call.node)
        if full or volume is None or is_cdrom(drive) or slot == "tpmstate0":
            continue
        if at and call.world.storages[volume.storage].type not in FILE_TYPES:
            continue
        if at or not volume.base.startswith("base-"):
            raise failed(f"Linked clone feature is not supported for{at} '{drive['file']}' ({slot})")


def _check_clone_target(call: Call) -> None:
    """The node and the storage that are named, and quorum."""
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


def _check_clone_storages(call: Call, config: Config) -> None:
    """The right to put each disk where it goes."""
    world, storage = call.world, call.params.get("storage")
    for drive in drives(config).values():
        if drive["file"] == "cdrom":
            access.demand(world, call.caller, "/", "Sys.Console")
        if ":" not in drive["file"]:
            continue
        own = configured(world, drive["file"].partition(":")[0]).storage
        if not is_cdrom(drive):
            access.demand(world, call.caller, f"/storage/{storage or own}", "Datastore.AllocateSpace")


def _uses_local(world: World, config: Config) -> bool:
    used = [drive["file"].partition(":")[0] for drive in drives(config).values() if ":" in drive["file"]]
    return any(not world.storages[name].shared for name in used)


def _clone(call: Call, task: Task, source: Guest, guest: Guest, volumes: list[Volume]) -> None:
    world, params = call.world, call.params
    guest.firewall_options, guest.firewall_rules = dict(source.firewall_options), list(source.firewall_rules)
    task.sleep(world.scaled(world.pace.get("clone", 0)))
    if world.is_9:
        task.log(f"creating a clone of VM {source.vmid} with ID {guest.vmid}")
    config = _cloned_config(call, source)
    made: Config = {key: value for key, value in config.items() if key not in ("template", "lock", "parent")}
    for key in [key for key in made if key in NETS]:
        made[key] = print_net({**net_parts(str(made[key])), "macaddr": new_mac()})
    smbios = properties(str(made.get("smbios1", "")), "uuid") | {"uuid": str(uuid.uuid4())}
    made["smbios1"] = ",".join(f"{key}={smbios[key]}" for key in sorted(smbios))
    if "vmgenid" in made:
        made["vmgenid"] = str(uuid.uuid4())
    for slot in sorted(slot for slot in made if slot in DRIVE_SLOTS):
        made[slot] = _clone_drive(call, task, guest, slot, drives(made)[slot], volumes)
    for key in [key for key in made if key.startswith("unused")]:
        del made[key]
    made["name"] = params.get("name") or f"Copy-of-VM-{config.get('name', source.vmid)}"
    if params.get("description"):
        made["description"] = params["description"]
    guest.config, guest.node = tidied(made), _target(call) or guest.node
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
    cloudinit = is_cloudinit(drive)
    source = world.guests[call.vmid]
    if not cloudinit and slot != "tpmstate0" and not _is_full(call, source):
        fresh = _linked(call, task, guest, slot, volume)
    else:
        storage = str(call.params.get("storage") or volume.storage)
        fmt = str(call.params.get("format") or volume.format)
        fresh = copy_image(world, task, call.node, guest.vmid, slot, volume, storage, fmt, cloudinit=cloudinit)
    volumes.append(fresh)
    return with_size(world, guest.node, {**drive, "file": fresh.volid})


def _linked(call: Call, task: Task, guest: Guest, slot: str, volume: Volume) -> Volume:
    """A linked clone of a base image: its name holds that of the base."""
    world = call.world
    storage = activate(world, volume.storage, call.node)
    task.log(f"create linked clone of drive {slot} ({volume.volid})")
    fmt = "qcow2" if storage.type in FILE_TYPES else "raw"
    base = free_name(world, storage.storage, call.node, guest.vmid)
    name = storage.image_name(guest.vmid, base, fmt)
    if storage.type in FILE_TYPES:
        behind = f"../{volume.name}"
        task.log(f"clone {volume.name}: images, {base}.{fmt}, {guest.vmid} to {base}.{fmt} (base={behind})")
        layout = "cluster_size=131072 extended_l2=on preallocation=metadata" if world.is_9 else OLD_LAYOUT
        task.log(
            f"Formatting '{storage.file_path(name)}', fmt=qcow2 {layout}"
            f" compression_type=zlib size={volume.size} backing_file={behind}"
            f" backing_fmt={volume.format} lazy_refcounts=off refcount_bits=16"
        )
    now = int(world.now(call.node))
    made = Volume(storage.storage, f"{volume.name}/{name}", "images", fmt, volume.size, now, guest.vmid, volume.node)
    made.data = volume.data
    made.parent = f"../{volume.name}" if storage.type in FILE_TYPES else volume.volid
    return world.volumes.add(made)


@route("POST", "/nodes/{node}/qemu/{vmid}/template", needs("/vms/{vmid}", "VM.Allocate"))
def make_template(call: Call) -> Any:
    """Make a VM, or one of its disks, a template, as a task."""
    only = call.params.get("disk")

    def check() -> Guest:
        guest = call.world.guest(call.vmid, call.node)
        refuse_locked(guest)
        if guest.snapshots:
            raise failed("unable to create template, because VM contains snapshots")
        if guest.is_template and only is None:
            raise failed("you can't convert a template to a template")
        if guest.running:
            raise failed("you can't convert a VM to template if VM is running")
        return guest

    def work(task: Task) -> None:
        take_config_lock(call.world, task, call.vmid)
        to_template(call.world, check(), only)

    check()
    return call.task("qmtemplate", call.vmid, work)
