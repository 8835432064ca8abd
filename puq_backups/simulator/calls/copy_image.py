"""Copying a disk image to another one, for full clones and moved disks."""

from __future__ import annotations

from ..world.disks import CLOUDINIT_SIZE, allocate
from ..world.state import World
from ..world.storages import activate
from ..world.task import Task
from ..world.volumes import Volume

MIB = 1024**2


def copy_image(
    world: World,
    task: Task,
    node: str,
    vmid: int,
    slot: str,
    volume: Volume,
    storage: str,
    fmt: str,
    *,
    cloudinit: bool = False,
) -> Volume:
    """Allocate a copy of an image for a VM and log the progress. A cloud-init drive is not copied but made anew."""
    activate(world, storage, node)
    task.log(f"create full clone of drive {slot} ({volume.volid})")
    size = CLOUDINIT_SIZE if cloudinit else volume.size
    base = f"vm-{vmid}-cloudinit" if cloudinit else ""
    fresh = allocate(world, node, storage, vmid, size, fmt, task.log, base=base)
    fresh.data, fresh.used = volume.data, volume.used
    if world.is_9:
        task.log(f"allocated target volume '{fresh.volid}'")
    if not cloudinit:
        for percent in (0, 50, 100, 100):
            done = f"{size * percent / 100 / MIB:.1f} MiB" if percent else "0.0 B"
            task.log(f"transferred {done} of {size / MIB:.1f} MiB ({percent:.2f}%)")
    return fresh
