"""Changing a VM's configuration: disks are allocated, replaced and freed, changes applied or left pending."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..answers import Refusal, bad_parameters, failed
from ..http.router import Call
from ..schema.property_strings import NEW_DISK, net_parts, parse_drive, print_drive, print_net
from ..schema.vm_options import CLOUDINIT_KEYS, DRIVE_SLOTS, IPCONFIGS, NETS, UNUSED_SLOTS
from ..world import access
from ..world.disks import CLOUDINIT_SIZE, Log, allocate, drop_used, is_cdrom, referenced, with_size
from ..world.model import Config, Guest
from ..world.qemu import keep_replaced, register_unused
from ..world.state import World, new_mac
from ..world.storages import activate
from ..world.volumes import FILE_TYPES, name_parts
from .config_checks import check_boot_order, check_value_rights, split_names
from .config_live import NotPluggable, deletes_live, sets_live

EFI_SIZES = {"2m": 128 * 1024, "4m": 528 * 1024}
TPM_SIZE = 4 * 1024**2


def stored(world: World, node: str, vmid: int, key: str, value: Any, log: Log) -> str | int | float:
    """The value as the configuration keeps it; new disks are allocated, MACs made up."""
    if key in NETS:
        parts = net_parts(str(value))
        parts.setdefault("macaddr", new_mac())
        return print_net({**parts, "macaddr": parts["macaddr"].upper()})
    if key in DRIVE_SLOTS:
        return _stored_drive(world, node, vmid, key, parse_drive(str(value)), log)
    if key == "cipassword":
        return "$5$simulated"
    if key == "vmgenid" and value == "1":
        return str(uuid.uuid4())
    if key == "description":
        return str(value).rstrip()
    if key == "tags":
        return ";".join(sorted({tag.lower() for tag in re.split(r"[;,\s]+", str(value)) if tag}))
    found: str | int | float = value
    return found


def _stored_drive(world: World, node: str, vmid: int, slot: str, drive: dict[str, str], log: Log) -> str:
    new = NEW_DISK.fullmatch(drive["file"])
    if new and new[1]:
        storage = world.storages[new[1]]
        fmt = drive.pop("format", "raw") if storage.type in FILE_TYPES else "raw"
        drive.pop("format", None)
        volume = allocate(world, node, new[1], vmid, _new_size(slot, drive, float(new[2])), fmt, log)
        volume.used = 0
        text = with_size(world, node, {**drive, "file": volume.volid})
        log(f"{slot}: successfully created disk '{text}'")
        return text
    if drive["file"].endswith(":cloudinit"):
        return _stored_cloudinit(world, node, vmid, slot, drive, log)
    if ":" not in drive["file"]:
        return print_drive({key: text for key, text in drive.items() if key != "size"})
    return _attached(world, node, slot, drive)


def _attached(world: World, node: str, slot: str, drive: dict[str, str]) -> str:
    """A drive with a volume that is there already."""
    volid = drive["file"]
    fmt = name_parts(volid.partition(":")[2])[1]
    if drive.get("format", fmt) != fmt and not volid.partition(":")[2].startswith("iso/"):
        wrong = f"'format={drive['format']}' option different from storage format '{fmt}'"
        raise failed(f"drive '{slot}' - volume '{volid}' - {wrong}")
    activate(world, volid.partition(":")[0], node)
    if world.volume(volid, node) is None:
        raise failed(f"volume '{volid}' does not exist")
    return with_size(world, node, drive)


def _new_size(slot: str, drive: dict[str, str], gib: float) -> int:
    """Bytes of a new disk: those of EFI variables and of a TPM's state are fixed, whatever size is asked for."""
    if slot == "efidisk0":
        return EFI_SIZES[drive.get("efitype", "2m")]
    return TPM_SIZE if slot == "tpmstate0" else int(gib * 1024**3)


def _stored_cloudinit(world: World, node: str, vmid: int, slot: str, drive: dict[str, str], log: Log) -> str:
    storage = drive["file"].partition(":")[0]
    fmt = "qcow2" if world.storages[storage].type in FILE_TYPES else "raw"
    volume = allocate(world, node, storage, vmid, CLOUDINIT_SIZE, fmt, log, base=f"vm-{vmid}-cloudinit")
    text = print_drive({**drive, "file": volume.volid, "media": "cdrom"})
    log(f"{slot}: successfully created disk '{text}'")
    return text


def change(call: Call, guest: Guest, changes: Config, deleted: list[str], reverted: list[str], log: Log) -> None:
    """Change a configuration: at once where that can be, else pending. What cannot be plugged is refused last."""
    problems: dict[str, str] = {}
    _check_values(call, guest, changes, deleted)
    check_boot_order({**guest.merged(), **changes}, changes, deleted)
    for key in reverted:
        guest.pending_delete = [name for name in guest.pending_delete if name != key]
        _drop_pending(call.world, guest, key)
    for key in [key for key in deleted if _is_deletable(call, guest, key, log)]:
        guest.pending_delete = [*dict.fromkeys([*guest.pending_delete, key])]
        guest.forced_delete -= {key}
        guest.forced_delete |= {key} if call.params.get("force") else set()
    for key in sorted(guest.pending_delete):
        if problem := _apply_delete(call, guest, key):
            head = "hotplug problem -" if guest.running else f"unable to apply pending change {key} :"
            problems[key] = f"{head} {problem}\n"
    for key in sorted(changes, key=_slot_order):
        _drop_pending(call.world, guest, key)
        value = stored(call.world, call.node, guest.vmid, key, changes[key], log)
        _boot_from_new_cdrom(guest, key, value)
        if key in (*CLOUDINIT_KEYS, *IPCONFIGS):
            guest.cloudinit_dirty = True
        if problem := _set(call.world, guest, key, value):
            problems[key] = f"hotplug problem - {problem}\n"
    drop_used(guest)
    call.world.rights_changed()
    if problems:
        raise bad_parameters(problems)


def _check_values(call: Call, guest: Guest, changes: Config, deleted: list[str]) -> None:
    """The rights that depend on what an option is now and what it is to be."""
    for key in deleted:
        if key in guest.merged():
            check_value_rights(call, key, guest.merged()[key], "delete")
    for key, value in changes.items():
        if key in guest.config:
            check_value_rights(call, key, guest.config[key], "modify")
        check_value_rights(call, key, value, "modify")


def _drop_pending(world: World, guest: Guest, key: str) -> None:
    """A pending value gives way. A disk that it would have attached becomes an unused one."""
    dropped = guest.pending.pop(key, None)
    if dropped is not None and key in DRIVE_SLOTS:
        register_unused(world, guest, parse_drive(str(dropped)))


def _boot_devices(guest: Guest) -> list[str] | None:
    """The devices of the boot order; None where there is none."""
    boot = str(guest.merged().get("boot", ""))
    return split_names(boot.removeprefix("order=")) if boot.startswith("order=") else None


def _set_boot_devices(guest: Guest, devices: list[str]) -> None:
    target = guest.pending if guest.running else guest.config
    target["boot"] = f"order={';'.join(devices)}" if devices else " "


def _boot_from_new_cdrom(guest: Guest, key: str, value: str | float) -> None:
    """A CD drive that is added is appended to the boot order."""
    devices = _boot_devices(guest)
    if key in DRIVE_SLOTS and devices is not None and is_cdrom(parse_drive(str(value))) and key not in devices:
        _set_boot_devices(guest, [*devices, key])


def _slot_order(key: str) -> tuple[int, str]:
    return (DRIVE_SLOTS.index(key) if key in DRIVE_SLOTS else -1, key)


def _set(world: World, guest: Guest, key: str, value: str | float) -> str | None:
    """Set one option; returns why a device could not be plugged."""
    guest.pending_delete = [name for name in guest.pending_delete if name != key]
    if guest.config.get(key) == value:
        return None
    if guest.running:
        try:
            live, problem = sets_live(world, guest, key, str(value)), None
        except NotPluggable as found:
            live, problem = False, str(found)
        if not live:
            guest.pending[key] = value
            return problem
    keep_replaced(world, guest, key, value)
    guest.config[key] = value
    if key == "description" and value in ("", "0"):
        del guest.config[key]
    return None


def _is_deletable(call: Call, guest: Guest, key: str, log: Log) -> bool:
    """Check one option that is to be deleted. An unused disk is destroyed here, an unset option no error."""
    if key not in guest.config and key not in guest.pending:
        log(f"cannot delete '{key}' - not set in current configuration!")
        return False
    devices = _boot_devices(guest)
    if devices is not None and key in devices:
        _set_boot_devices(guest, [one for one in devices if one != key])
    if key in UNUSED_SLOTS:
        _destroy_unused(call, guest, key)
        return False
    if key in DRIVE_SLOTS and guest.config.get("protection"):
        raise failed(f"can't remove drive '{key}' - protection mode enabled")
    _drop_pending(call.world, guest, key)
    return key in guest.config


def _apply_delete(call: Call, guest: Guest, key: str) -> str | None:
    """Delete an option. Pending stays what the running VM cannot do without, and a disk whose image cannot go."""
    value = guest.config.get(key)
    drive = parse_drive(str(value)) if key in DRIVE_SLOTS and value is not None else None
    try:
        if guest.running and not deletes_live(guest, key):
            return None
        guest.config.pop(key, None)
        if drive is not None and key in guest.forced_delete and not is_cdrom(drive):
            _free_owned(call, guest, drive["file"])
        elif drive is not None:
            register_unused(call.world, guest, drive)
    except NotPluggable as problem:
        return str(problem)
    except Refusal as problem:
        guest.config.update({key: value} if value is not None else {})
        return problem.in_task
    guest.pending_delete = [name for name in guest.pending_delete if name != key]
    return None


def _free_owned(call: Call, guest: Guest, volid: str) -> None:
    """Destroy an image that belongs to the VM and is used nowhere else in it; a foreign one is left alone."""
    world = call.world
    volume = world.volume(volid, guest.node)
    if volume is None or volume.vmid != guest.vmid:
        return
    access.demand(world, call.caller, f"/storage/{volume.storage}", "Datastore.AllocateSpace")
    if volid in referenced(guest.config) or any(volid in referenced(one.config) for one in guest.snapshots):
        raise failed(f"unable to delete '{volid}' - volume is still in use (snapshot?)")
    activate(world, volume.storage, guest.node)
    if world.volumes.clones_of(volume):
        raise failed(f"base volume '{volume.name}' is still in use by linked clones")
    world.volumes.remove(volume)


def _destroy_unused(call: Call, guest: Guest, key: str) -> None:
    volid = str(guest.config[key])
    if guest.config.get("protection"):
        raise failed(f"can't remove unused disk '{volid}' - protection mode enabled")
    others = {name: value for name, value in guest.config.items() if name != key}
    if volid in referenced(others):
        raise failed(f"unable to delete '{volid}' - volume is still in use (snapshot?)")
    value = guest.config.pop(key)
    try:
        _free_owned(call, guest, volid)
    except Refusal:
        guest.config[key] = value
        raise
