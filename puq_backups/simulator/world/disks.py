"""Disk images of VMs: which there are, allocating, freeing, the system disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..answers import Refusal, failed
from ..schema.property_strings import parse_drive, print_drive, size_bytes, size_text
from ..schema.vm_options import DRIVE_SLOTS, UNUSED_SLOTS
from .storages import activate, is_enabled
from .volumes import FILE_TYPES, Volume

if TYPE_CHECKING:
    from .model import Guest, Storage
    from .state import World

CLOUDINIT_SIZE = 4 * 1024**2
QCOW2_DETAIL = "cluster_size=65536 extended_l2=off preallocation=metadata compression_type=zlib"
Log = Callable[[str], None]


def is_cloudinit(drive: Mapping[str, str]) -> bool:
    """Whether a drive is the one that cloud-init reads."""
    return re.search(r"vm-\d+-cloudinit|(^|:)cloudinit$", drive["file"]) is not None


def is_cdrom(drive: Mapping[str, str]) -> bool:
    """Whether a drive is a CD-ROM, cloud-init's among them."""
    return drive.get("media") == "cdrom" or drive["file"] in ("none", "cdrom")


def drives(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The drives of a configuration by slot, in Proxmox's order, CD-ROMs among them."""
    return {slot: parse_drive(str(config[slot])) for slot in DRIVE_SLOTS if slot in config}


def images(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The drives that hold data: no CD-ROM but cloud-init's."""
    return {slot: drive for slot, drive in drives(config).items() if not is_cdrom(drive) or is_cloudinit(drive)}


def slot_volumes(config: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Slot, storage, format and size in bytes of each disk that a backup takes, cloud-init's not among them."""
    found = []
    for slot, drive in images(config).items():
        if is_cdrom(drive):
            continue
        if drive.get("backup") == "0" or (slot == "efidisk0" and config.get("bios") != "ovmf"):
            continue
        storage, _, name = drive["file"].partition(":")
        fmt = name.rsplit(".", 1)[-1] if "." in name else "raw"
        found.append((slot, storage, fmt, size_bytes(drive.get("size", "4M"))))
    return found


def boot_disk(config: Mapping[str, Any]) -> str | None:
    """The slot of the system disk, None where the boot order names none."""
    boot = str(config.get("boot", ""))
    order = boot.removeprefix("order=").split(";") if boot.startswith("order=") else []
    if "bootdisk" in config:
        order = [str(config["bootdisk"])]
    present = drives(config)
    return next((slot for slot in order if slot in present and not is_cdrom(present[slot])), None)


def boot_disk_size(config: Mapping[str, Any]) -> int:
    """The system disk's size in bytes as the configuration says, 0 without one."""
    slot = boot_disk(config)
    return size_bytes(drives(config)[slot].get("size", "0")) if slot else 0


def image_storage(world: World, name: str, node: str) -> Storage:
    """A storage that disks can be put on, or Proxmox's refusal."""
    storage = world.storages.get(name)
    if storage is None:
        raise failed(f"storage '{name}' does not exist")
    if storage.disabled:
        raise failed(f"storage '{name}' is disabled")
    if storage.nodes and node not in storage.nodes:
        raise failed(f"storage '{name}' is not available on node '{node}'")
    return storage


def free_name(world: World, storage: str, node: str, vmid: int, prefix: str = "vm") -> str:
    """The lowest disk name of a VM that no image on the storage has."""
    taken = {volume.base.split(".")[0] for volume in world.volumes.at(world.place(storage, node), vmid)}
    number = 0
    while f"{prefix}-{vmid}-disk-{number}" in taken or f"base-{vmid}-disk-{number}" in taken:
        number += 1
    return f"{prefix}-{vmid}-disk-{number}"


def allocate(
    world: World, node: str, storage: str, vmid: int, size: int, fmt: str, log: Log, base: str = ""
) -> Volume:
    """A new image of `size` bytes; `base` is its name if it is not to be a numbered disk."""
    target = image_storage(world, storage, node)
    if target.full or (target.total is not None and size > target.total):
        raise failed(f"unable to create image: No space left on device on storage '{storage}'")
    fmt = fmt if target.type in FILE_TYPES else "raw"
    name = target.image_name(vmid, base or free_name(world, storage, node, vmid), fmt)
    volume = Volume(storage, name, "images", fmt, size, int(world.now(node)), vmid, world.place(storage, node)[1])
    _log_allocation(target, volume, log)
    return world.volumes.add(volume)


def _log_allocation(target: Storage, volume: Volume, log: Log) -> None:
    if target.type not in FILE_TYPES:
        log(f'  Logical volume "{volume.base}" created.')
        return
    path = target.file_path(volume.name)
    detail = f" {QCOW2_DETAIL}" if volume.format == "qcow2" else ""
    tail = " lazy_refcounts=off refcount_bits=16" if volume.format == "qcow2" else " preallocation=off"
    log(f"Formatting '{path}', fmt={volume.format}{detail} size={volume.size}{tail}")


def add_unused(guest: Guest, volid: str) -> str | None:
    """Keep a volume as unusedN; None where it is known already."""
    if any(str(guest.config.get(slot)) == volid for slot in UNUSED_SLOTS):
        return None
    slot = next(slot for slot in UNUSED_SLOTS if slot not in guest.config)
    guest.config[slot] = volid
    return slot


def drop_used(guest: Guest) -> None:
    """Volumes that a drive has, or will have, are not unused: each writing of a configuration sees to that."""
    drives_of_both = (*drives(guest.config).values(), *drives(guest.pending).values())
    used = {drive["file"] for drive in drives_of_both}
    for slot in [slot for slot in UNUSED_SLOTS if guest.config.get(slot) in used]:
        del guest.config[slot]


def with_size(world: World, node: str, drive: dict[str, str]) -> str:
    """The drive string with the size that its image really has."""
    volume = world.volume(drive["file"], node)
    if volume is not None:
        drive = {**drive, "size": size_text(volume.size)}
    return print_drive(drive)


def referenced(config: Mapping[str, Any]) -> set[str]:
    """The volumes that a configuration names, unused ones too."""
    found = {drive["file"] for drive in drives(config).values()}
    return found | {str(config[slot]) for slot in UNUSED_SLOTS if slot in config}


def rescan(world: World, guest: Guest, log: Log) -> None:
    """Add images of the VM that its configuration does not name as unusedN. All image storages have to be there."""
    log("rescan volumes...")
    found: list[Volume] = []
    for name, storage in sorted(world.storages.items()):
        if not {"images", "rootdir"} & set(storage.content) or not is_enabled(storage, guest.node):
            continue
        try:
            activate(world, name, guest.node)
        except Refusal as problem:
            log(problem.text)
            return
        found += world.volumes.at(world.place(name, guest.node), guest.vmid, "images")
    known = referenced(guest.config)
    for volume in sorted(found, key=lambda one: one.volid):
        if volume.volid not in known and not volume.base.startswith(f"vm-{guest.vmid}-state-"):
            slot = add_unused(guest, volume.volid)
            log(f"VM {guest.vmid} add unreferenced volume '{volume.volid}' as '{slot}' to config")
