"""The disks of a package: grown, limited, re-attached or made; never shrunk, never made twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...errors import Message
from ...pve import vms
from ...rules.package import Package
from ..step import GiveUp, Start, StepContext

GIB = 1024**3
SLOTS = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16}


def format_number(value: Any) -> str:
    """A figure as Proxmox writes it: 12.5, and 100 instead of 100.0. Other texts stay as they are."""
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def to_gib(size: int) -> float:
    """Bytes in GiB with one decimal, for a sentence; a whole number where it is one."""
    found = round(size / GIB, 1)
    return int(found) if found == int(found) else found


def stays_larger(slot: str, size: int, wanted: int) -> Message:
    """That a disk of `size` bytes stays_larger larger than the `wanted` GiB of the package."""
    text = "The disk {slot} stays at {size} GiB, though the package has {wanted}: a disk is never made smaller."
    return Message(text, slot=slot, size=to_gib(size), wanted=wanted)


def additional_slot(config: dict[str, Any]) -> str | None:
    """The slot of the additional disk: the first that is not the system disk's."""
    boot = vms.boot_disk(config)
    return next((slot for slot in sorted(vms.disks(config), key=_order) if slot != boot), None)


def _order(slot: str) -> tuple[str, int]:
    return re.sub(r"\d+$", "", slot), int(re.sub(r"\D", "", slot) or 0)


def set_once(
    step: StepContext, config: dict[str, Any], changes: dict[str, Any], what: str, dropped: Sequence[str] = ()
) -> Start | None:
    """Change and drop options, if there are any to change and this was not just done.

    Proxmox may write a value otherwise than it was given: once is enough.
    """
    return None if _succeeded(step) else set_options(step, config, changes, what, dropped)


def set_options(
    step: StepContext, config: dict[str, Any], changes: dict[str, Any], what: str, dropped: Sequence[str] = ()
) -> Start | None:
    """Change and drop options, if there are any to change. The digest keeps off somebody else's change."""
    if not changes and not dropped:
        return None
    digest = config.get("digest")
    return Start(
        call=lambda: vms.set_config(step.proxmox, step.node, step.vmid, changes, delete=dropped, digest=digest),
        type="qmconfig",
        id=str(step.vmid),
        audit=f"{what} of VM {step.vmid}: {', '.join(sorted((*changes, *dropped)))}",
    )


def _succeeded(step: StepContext) -> bool:
    return step.task_result is not None and bool(step.task_result.ok)


def grow(step: StepContext, config: dict[str, Any], slot: str | None, wanted: int | None) -> Start | None:
    """Resize a disk to `wanted` GiB, as an absolute size so that twice does no harm; a larger one stays_larger."""
    if not slot or not wanted:
        return None
    size = vms.size_bytes(str(vms.disks(config)[slot].options.get("size") or "0"))
    if size > wanted * GIB:
        step.operation.add_warning(stays_larger(slot, size, wanted))
    if size >= wanted * GIB or _succeeded(step):
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
    """Set the limits that differ: None leaves one alone, 0 takes it away."""
    if not slot:
        return None
    drive = vms.disks(config)[slot]
    options = dict(drive.options)
    for name, value in limits.items():
        if value is None or format_number(options.get(name, 0)) == format_number(value):
            continue
        # Proxmox refuses the total beside its halves, and a peak without its base.
        for other in (name[:-3], f"{name[:-3]}_max", f"{name}_max", f"{name}_max_length"):
            options.pop(other, None)
        if value:
            options[name] = format_number(value)
        else:
            options.pop(name, None)
    changed = vms.Drive(volid=drive.volid, options=options)
    return set_once(step, config, {} if options == drive.options else {slot: changed.format()}, f"limits of {slot}")


def attach_or_add(step: StepContext, config: dict[str, Any], package: Package) -> Start | None:
    """Give the VM its disks back that the backup lacked, with their data; else the package's one, if it has none."""
    if lost := _detached_disks(step, config):
        return set_options(step, config, lost, "re-attach what the backup lacked")
    if not package.additional_disk or additional_slot(config):
        return None
    storage = package.additional_storage or vms.disks(config)[_boot(config)].volid.partition(":")[0]
    return set_once(step, config, {_free_slot(config): f"{storage}:{package.additional_disk}"}, "new additional disk")


def _detached_disks(step: StepContext, config: dict[str, Any]) -> dict[str, str]:
    """The disks from before that hang in no slot any more, with their slots. One whose slot the backup has was to be
    freed: it is left where it is.
    """
    left = {drive.volid for drive in vms.unused(config).values()}
    before = vms.disks(step.operation.data["before"])
    return {slot: drive.format() for slot, drive in before.items() if drive.volid in left and slot not in config}


def _boot(config: dict[str, Any]) -> str:
    boot = vms.boot_disk(config)
    if boot is None:
        raise GiveUp("The virtual machine has no system disk.")
    return boot


def _free_slot(config: dict[str, Any]) -> str:
    """The first free slot beside the system disk."""
    bus = _order(_boot(config))[0]
    return next(f"{bus}{at}" for at in range(SLOTS[bus]) if f"{bus}{at}" not in config)
