"""The disks of a package: grown, limited, re-attached or made; never shrunk, never made twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..errors import Message
from ..packages import Package
from ..pve import vms
from .work import GiveUp, Start, Work

GIB = 1024**3
SLOTS = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16}


def number(value: Any) -> str:
    """A figure as Proxmox writes it: 12.5, and 100 instead of 100.0. Other texts stay as they are."""
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def gib(size: int) -> str:
    """Bytes in GiB, for people."""
    return number(round(size / GIB, 1))


def stays(slot: str, size: int, wanted: int) -> Message:
    """That a disk of `size` bytes stays larger than the `wanted` GiB of the package."""
    text = "The disk {slot} stays at {size} GiB, though the package has {wanted}: a disk is never made smaller."
    return Message(text, slot=slot, size=gib(size), wanted=wanted)


def additional(config: dict[str, Any]) -> str | None:
    """The slot of the additional disk: the first that is not the system disk's."""
    boot = vms.boot_disk(config)
    return next((slot for slot in sorted(vms.disks(config), key=_order) if slot != boot), None)


def _order(slot: str) -> tuple[str, int]:
    return re.sub(r"\d+$", "", slot), int(re.sub(r"\D", "", slot) or 0)


def configure(
    work: Work, config: dict[str, Any], changes: dict[str, Any], what: str, dropped: Sequence[str] = ()
) -> Start | None:
    """Change and drop options, if there are any to change. The digest keeps off somebody else's change."""
    if not changes and not dropped:
        return None
    digest = config.get("digest")
    return Start(
        call=lambda: vms.set_config(work.proxmox, work.node, work.vmid, changes, delete=dropped, digest=digest),
        type="qmconfig",
        id=str(work.vmid),
        audit=f"{what} of VM {work.vmid}: {', '.join(sorted((*changes, *dropped)))}",
    )


def grow(work: Work, config: dict[str, Any], slot: str | None, wanted: int | None) -> Start | None:
    """Resize a disk to `wanted` GiB, as an absolute size so that twice does no harm; a larger one stays."""
    if not slot or not wanted:
        return None
    size = vms.size_bytes(str(vms.disks(config)[slot].options.get("size") or "0"))
    if size > wanted * GIB:
        work.operation.warn(stays(slot, size, wanted))
    if size >= wanted * GIB:
        return None
    return Start(
        call=lambda: vms.resize(work.proxmox, work.node, work.vmid, slot, f"{wanted}G"),
        type="resize",
        id=str(work.vmid),
        audit=f"resize {slot} of VM {work.vmid} to {wanted}G",
    )


def limit(work: Work, config: dict[str, Any], slot: str | None, limits: dict[str, float | None]) -> Start | None:
    """Set the limits that differ: None leaves one alone, 0 takes it away."""
    if not slot:
        return None
    drive = vms.disks(config)[slot]
    options = dict(drive.options)
    for name, value in limits.items():
        if value is None or number(options.get(name, 0)) == number(value):
            continue
        # Proxmox refuses the total beside its halves, and a peak without its base.
        for other in (name[:-3], f"{name[:-3]}_max", f"{name}_max", f"{name}_max_length"):
            options.pop(other, None)
        if value:
            options[name] = number(value)
        else:
            options.pop(name, None)
    changed = vms.Drive(volid=drive.volid, options=options)
    return configure(work, config, {} if options == drive.options else {slot: changed.format()}, f"limits of {slot}")


def make(work: Work, config: dict[str, Any], package: Package) -> Start | None:
    """Give the VM its additional disk: its own from before the restore, left unused with its data, else a new one."""
    if not package.additional_disk or additional(config):
        return None
    slot = _free_slot(config)
    before = work.operation.data["before"]
    lost = vms.disks(before).get(additional(before) or "")
    left = {drive.volid: key for key, drive in vms.unused(config).items()}
    if lost and lost.volid in left:
        return configure(work, config, {slot: lost.format()}, "re-attach the additional disk")
    storage = package.additional_storage or vms.disks(config)[str(vms.boot_disk(config))].volid.partition(":")[0]
    return configure(work, config, {slot: f"{storage}:{package.additional_disk}"}, "new additional disk")


def _free_slot(config: dict[str, Any]) -> str:
    boot = vms.boot_disk(config)
    if boot is None:
        raise GiveUp("The virtual machine has no system disk.")
    bus = _order(boot)[0]
    return next(f"{bus}{at}" for at in range(SLOTS[bus]) if f"{bus}{at}" not in config)
