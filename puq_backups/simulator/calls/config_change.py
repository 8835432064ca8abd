"""Changing a VM's configuration: disks are allocated, replaced and freed, changes applied or left pending."""

from __future__ import annotations

import re
from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call
from ..schema.property_strings import (
    LIVE_DRIVE_KEYS,
    NEW_DISK,
    net_parts,
    parse_drive,
    print_drive,
    print_net,
)
from ..schema.vm_options import (
    CLOUDINIT_KEYS,
    DRIVE_SLOTS,
    FAST,
    IPCONFIGS,
    NETS,
    UNUSED_SLOTS,
)
from ..world.disks import (
    CLOUDINIT_SIZE,
    Log,
    allocate,
    free,
    is_cdrom,
    with_size,
)
from ..world.model import Config, Guest
from ..world.qemu import drop_option, keep_replaced
from ..world.state import World, new_mac
from ..world.volumes import FILE_TYPES
from .config_checks import check_boot_order, split_names

HOT_BUSES = ("scsi", "virtio")


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
        volume = allocate(world, node, new[1], vmid, int(float(new[2]) * 1024**3), fmt, log)
        volume.used = 0
        text = with_size(world, node, {**drive, "file": volume.volid})
        log(f"{slot}: successfully created disk '{text}'")
        return text
    if drive["file"].endswith(":cloudinit"):
        return _stored_cloudinit(world, node, vmid, slot, drive, log)
    return print_drive(drive) if is_cdrom(drive) else with_size(world, node, drive)


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
    check_boot_order({**guest.merged(), **changes}, changes, deleted)
    for key in reverted:
        guest.pending.pop(key, None)
        guest.pending_delete = [name for name in guest.pending_delete if name != key]
    for key in deleted:
        _delete(call, guest, key, log)
    for key in sorted(changes, key=_slot_order):
        value = stored(call.world, call.node, guest.vmid, key, changes[key], log)
        _boot_from_new_cdrom(guest, key, value)
        if key in (*CLOUDINIT_KEYS, *IPCONFIGS):
            guest.cloudinit_dirty = True
        if problem := _set(call.world, guest, key, value):
            problems[key] = f"hotplug problem - {problem}\n"
    call.world.rights_changed()
    if problems:
        raise bad_parameters(problems)


def _boot_from_new_cdrom(guest: Guest, key: str, value: str | float) -> None:
    """A CD drive that is added is appended to the boot order."""
    boot = str(guest.merged().get("boot", ""))
    if key not in DRIVE_SLOTS or not boot.startswith("order=") or not is_cdrom(parse_drive(str(value))):
        return
    devices = split_names(boot.removeprefix("order="))
    if key not in devices:
        target = guest.pending if guest.running else guest.config
        target["boot"] = "order=" + ";".join([*devices, key])


def _slot_order(key: str) -> tuple[int, str]:
    return (DRIVE_SLOTS.index(key) if key in DRIVE_SLOTS else -1, key)


def _set(world: World, guest: Guest, key: str, value: str | float) -> str | None:
    """Set one option; returns why a device could not be plugged."""
    problem = None
    guest.pending_delete = [name for name in guest.pending_delete if name != key]
    if guest.config.get(key) == value:
        guest.pending.pop(key, None)
        return None
    if guest.running and key in NETS:
        bridge = net_parts(str(value)).get("bridge")
        if bridge and bridge not in world.nodes[guest.node].bridges:
            problem = f"interface {bridge} does not exist"
    if problem or (guest.running and not _is_live(guest, key, str(value))):
        guest.pending[key] = value
        return problem
    guest.pending.pop(key, None)
    keep_replaced(guest, key, value)
    guest.config[key] = value
    return None


def _is_live(guest: Guest, key: str, value: str) -> bool:
    """Whether a running VM takes a change at once."""
    if key in FAST or key in NETS or key in UNUSED_SLOTS:
        return True
    if key not in DRIVE_SLOTS:
        return False
    new = parse_drive(value)
    old = parse_drive(str(guest.config[key])) if key in guest.config else None
    if old is None or old["file"] != new["file"]:
        return key.rstrip("0123456789") in HOT_BUSES or (is_cdrom(new) and old is not None)
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return changed <= LIVE_DRIVE_KEYS


def _delete(call: Call, guest: Guest, key: str, log: Log) -> None:
    """Delete an option: a drive becomes unused, an unused one is destroyed, an unset one is no error."""
    if guest.pending.pop(key, None) is None and key not in guest.config:
        log(f"cannot delete '{key}' - not set in current configuration!")
    if key not in guest.config:
        return
    if key in DRIVE_SLOTS and guest.config.get("protection"):
        raise failed(f"can't remove drive '{key}' - protection mode enabled")
    if key in UNUSED_SLOTS:
        _destroy_unused(call, guest, key)
    elif guest.running and not _deletes_live(key):
        guest.pending_delete = [*dict.fromkeys([*guest.pending_delete, key])]
    else:
        volid = drop_option(guest, key)
        if volid and (call.params.get("force") or "cloudinit" in volid):
            _forget_unused(guest, volid)
            free(call.world, call.node, volid)


def _deletes_live(key: str) -> bool:
    return key in FAST or key in NETS or key.rstrip("0123456789") in HOT_BUSES


def _forget_unused(guest: Guest, volid: str) -> None:
    for slot in [slot for slot in UNUSED_SLOTS if str(guest.config.get(slot)) == volid]:
        del guest.config[slot]


def _destroy_unused(call: Call, guest: Guest, key: str) -> None:
    if guest.config.get("protection"):
        raise failed(f"can't remove unused disk '{guest.config[key]}' - protection mode enabled")
    free(call.world, call.node, str(guest.config.pop(key)))
