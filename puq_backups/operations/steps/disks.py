"""Applies a package's disk sizes and limits: grow, limit, re-attach or add disks. Disks are never shrunk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...errors import Message
from ...i18n.translator import N_
from ...pve import vms
from ...rules.package import Package
from ..step import GiveUp, Start, StepContext

GIB = 1024**3
DETACHED = N_("These disks are not part of the backup and are no longer attached: {slots}.")
GONE = N_("These disks of the server are gone: {slots}.")
SLOTS = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16}


def format_number(value: Any) -> str:
    """Format a number as Proxmox does: 12.5, and 100 instead of 100.0. Other text is returned unchanged."""
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def to_gib(size: int) -> float:
    """Bytes as GiB with one decimal, or as a whole number."""
    found = round(size / GIB, 1)
    return int(found) if found == int(found) else found


def stays_larger(slot: str, size: int, wanted: int) -> Message:
    """The warning that a disk of `size` bytes stays larger than the package's `wanted` GiB."""
    text = N_("The disk {slot} stays at {size} GiB, though the package has {wanted}: a disk is never made smaller.")
    return Message(text, slot=slot, size=to_gib(size), wanted=wanted)


def additional_slot(config: dict[str, Any]) -> str | None:
    """The slot of the additional disk: the first one besides the system disk. None if there is none."""
    boot = vms.boot_disk(config)
    return next((slot for slot in sorted(vms.disks(config), key=_order) if slot != boot), None)


def _order(slot: str) -> tuple[str, int]:
    return re.sub(r"\d+$", "", slot), int(re.sub(r"\D", "", slot) or 0)


def set_once(
    step: StepContext, config: dict[str, Any], changes: dict[str, Any], what: str, dropped: Sequence[str] = ()
) -> Start | None:
    """Change and drop options unless the call has just succeeded."""
    return None if succeeded(step) else set_options(step, config, changes, what, dropped)


def set_options(
    step: StepContext, config: dict[str, Any], changes: dict[str, Any], what: str, dropped: Sequence[str] = ()
) -> Start | None:
    """Change and drop options, if there are any. The digest guards against a concurrent change by somebody else."""
    if not changes and not dropped:
        return None
    digest = config.get("digest")
    return Start(
        call=lambda: vms.set_config(step.proxmox, step.node, step.vmid, changes, delete=dropped, digest=digest),
        type="qmconfig",
        id=str(step.vmid),
        audit=f"{what} of VM {step.vmid}: {', '.join(sorted((*changes, *dropped)))}",
    )


def succeeded(step: StepContext) -> bool:
    """Whether the step's task has set the values. They are not compared again: Proxmox may store another form."""
    return step.task_result is not None and bool(step.task_result.ok)


def grow(step: StepContext, config: dict[str, Any], slot: str | None, wanted: int | None) -> Start | None:
    """Grow a disk to `wanted` GiB (an absolute size, safe to repeat). A larger disk stays, with a warning."""
    if not slot or not wanted:
        return None
    size = vms.size_bytes(str(vms.disks(config)[slot].options.get("size") or "0"))
    if size > wanted * GIB:
        step.operation.add_warning(stays_larger(slot, size, wanted))
    if size >= wanted * GIB or succeeded(step):
        return None
    return Start(
        call=lambda: vms.resize(step.proxmox, step.node, step.vmid, slot, f"{wanted}G"),
        type="resize",
        id=str(step.vmid),
        audit=f"resize {slot} of VM {step.vmid} to {wanted}G",
    )


def set_limits(
    step: StepContext, config: dict[str, Any], slot: str | None, limits: dict[str, float | None]
) -> Start | None:
    """Set the limits that differ. None leaves a limit unchanged, 0 removes it."""
    if not slot:
        return None
    drive = vms.disks(config)[slot]
    options = dict(drive.options)
    for name, value in limits.items():
        if value is None or format_number(options.get(name, 0)) == format_number(value):
            continue
        # Proxmox refuses a total limit beside read or write limits, and a burst limit without its base.
        for other in (name[:-3], f"{name[:-3]}_max", f"{name}_max", f"{name}_max_length"):
            options.pop(other, None)
        if value:
            options[name] = format_number(value)
        else:
            options.pop(name, None)
    changed = vms.Drive(volid=drive.volid, options=options)
    return set_once(step, config, {} if options == drive.options else {slot: changed.format()}, f"limits of {slot}")


def attach_or_add(step: StepContext, config: dict[str, Any], package: Package) -> Start | None:
    """Re-attach the disks that the backup lacked, with their data; else add the package's disk if the VM has none."""
    if lost := _detached_disks(step, config):
        return set_options(step, config, lost, "re-attach what the backup lacked")
    if step.operation.kind == "restore":
        _tell_losses(step, config)
    if not package.additional_disk or additional_slot(config):
        return None
    storage = package.additional_storage or vms.disks(config)[_boot(config)].volid.partition(":")[0]
    return set_once(step, config, {_free_slot(config): f"{storage}:{package.additional_disk}"}, "new additional disk")


def _detached_disks(step: StepContext, config: dict[str, Any]) -> dict[str, str]:
    """Disks that were attached before and are `unusedN` now, with their former slots.

    Left out are those whose slot is taken by a disk from the backup.
    """
    left = {drive.volid for drive in vms.unused(config).values()}
    added = {slot: vms.parse_drive(text) for slot, text in (step.operation.data.get("added") or {}).items()}
    former = added | vms.disks(step.operation.data["before"])
    return {slot: drive.format() for slot, drive in former.items() if drive.volid in left and slot not in config}


def _tell_losses(step: StepContext, config: dict[str, Any]) -> None:
    """Add a warning for each disk from before the restore that is gone or no longer attached."""
    before, left = step.operation.data["before"], vms.unused(config)
    known = {drive.volid for drive in vms.unused(before).values()}
    slots = {drive.volid: slot for slot, drive in vms.volumes(before).items()}
    detached = [slots.get(drive.volid, key) for key, drive in left.items() if drive.volid not in known]
    if detached:
        step.operation.add_warning(Message(DETACHED, slots=", ".join(sorted(detached))))
    gone = sorted(set(vms.disks(before)) - set(config) - set(detached))
    if gone:
        step.operation.add_warning(Message(GONE, slots=", ".join(gone)))


def _boot(config: dict[str, Any]) -> str:
    boot = vms.boot_disk(config)
    if boot is None:
        raise GiveUp("The virtual machine has no system disk.")
    return boot


def _free_slot(config: dict[str, Any]) -> str:
    """The first free slot on the system disk's bus."""
    bus = _order(_boot(config))[0]
    return next(f"{bus}{at}" for at in range(SLOTS[bus]) if f"{bus}{at}" not in config)
