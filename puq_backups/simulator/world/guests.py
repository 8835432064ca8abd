"""Changes of whole VMs: destroying, moving to another node, turning into a template."""

from __future__ import annotations

import re

from ..answers import Refusal
from ..schema.property_strings import print_drive
from .disks import Log, drives, is_cdrom, referenced
from .model import Guest
from .state import World
from .storages import activate
from .task import TaskError


def refuse_used_base(world: World, guest: Guest) -> None:
    """Refuse to destroy a template whose base images have linked clones."""
    for volid in sorted(referenced(guest.config)) if guest.is_template else ():
        volume = world.volume(volid, guest.node)
        if volume is not None and world.volumes.clones_of(volume):
            raise TaskError(f"base volume '{volid}' is still in use by linked cloned")


def forget(world: World, guest: Guest, *, unreferenced: bool = False, warn: Log | None = None) -> None:
    """Destroy a VM: its disks, its place in pools, the rights on it. Its archives stay.

    With `warn` disks on a storage that is not there stay too, and it is told.
    """
    named = referenced(guest.config) | referenced(guest.pending)
    found = [volume for volid in sorted(named) if (volume := world.volume(volid, guest.node)) is not None]
    for name in world.storages if unreferenced else ():
        found += world.volumes.at(world.place(name, guest.node), guest.vmid, "images")
    for volume in [one for one in found if one.vmid == guest.vmid and one.content == "images"]:
        try:
            if warn is not None:
                activate(world, volume.storage, guest.node)
            world.volumes.remove(volume)
        except Refusal as problem:
            if warn is not None and volume.volid in named:
                warn(f"WARN: Could not remove disk '{volume.volid}', check manually: {problem.text}")
    for members in world.pools.values():
        members.discard(guest.vmid)
    world.acl = [entry for entry in world.acl if entry["path"] != f"/vms/{guest.vmid}"]
    world.rights_changed()
    world.guests.pop(guest.vmid, None)


def to_template(world: World, guest: Guest, only: str | None = None) -> None:
    """Make a VM a template: its images, or that of one slot, become base images."""
    guest.config["template"] = 1
    for slot, drive in drives(guest.config).items():
        if only not in (None, slot) or "base-" in drive["file"].rpartition("/")[2].rpartition(":")[2]:
            continue
        volume = world.volume(drive["file"], guest.node)
        if volume is None or is_cdrom(drive):
            continue
        world.volumes.remove(volume)
        head, slash, tail = volume.name.rpartition("/")
        volume.name = head + slash + re.sub(r"^vm-", "base-", tail)
        world.volumes.add(volume)
        guest.config[slot] = print_drive({**drive, "file": volume.volid})


def move(world: World, guest: Guest, target: str) -> None:
    """Move a VM to another node. Images on node-local storages move along; archives stay where they are."""
    for drive in drives(guest.config).values():
        volume = world.volume(drive["file"], guest.node)
        if volume is not None and volume.node is not None:
            world.volumes.remove(volume)
            volume.node = target
            world.volumes.add(volume)
    guest.node = target
