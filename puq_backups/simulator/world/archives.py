"""The contents of archives."""

from __future__ import annotations

from typing import Any

from .disks import slot_volumes
from .model import config_text
from .state import World
from .volumes import Archive, Volume


def archive_of_config(world: World, config: dict[str, Any]) -> Archive:
    """An archive's inside from a configuration alone: disks are as large as it says."""
    disks = {}
    for slot, storage, fmt, size in slot_volumes(config):
        volume = next((one for one in world.volumes if one.volid == str(config[slot]).split(",")[0]), None)
        disks[slot] = (size, volume.data if volume else 0, fmt, storage)
    return Archive(config_text(config), disks)


def archive_inside(world: World, volume: Volume) -> Archive:
    """What an archive holds; one that was seeded without a configuration holds that of its VM as it is now."""
    if volume.archive is None:
        guest = world.guests.get(volume.vmid)
        config: dict[str, Any] = dict(guest.config) if guest else {"memory": "512", "name": f"vm{volume.vmid}"}
        config.pop("lock", None)
        volume.archive = archive_of_config(world, config)
    return volume.archive
