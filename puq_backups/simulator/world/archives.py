"""The contents of archives."""

from __future__ import annotations

import re
from typing import Any

from ..answers import failed
from .access import demand_named_volume
from .disks import slot_volumes
from .model import Caller, Storage, config_text
from .state import World
from .storages import configured
from .volumes import ONLY_ROOT_PATHS, Archive, Volume, name_parts, unparsable


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


def readable_archive(world: World, caller: Caller, volid: str, vmid: int | None = None) -> tuple[Storage, str]:
    """Storage and name of an archive that the caller may read; it need not be there, nor the storage be enabled."""
    storage_id, _, name = volid.partition(":")
    if not name or not re.fullmatch(r"[a-z][a-z0-9\-_.]*[a-z0-9]", storage_id, re.IGNORECASE):
        raise failed(ONLY_ROOT_PATHS.format(651 if world.is_9 else 581))
    storage = configured(world, storage_id)
    try:
        kind, _format, owner = name_parts(name)
    except ValueError:
        raise failed(unparsable(storage.type, name)) from None
    if kind != "backup":
        raise failed(f"unable to use volume {volid} - content type needs to be 'backup'")
    demand_named_volume(world, caller, volid, kind, owner, vmid)
    return storage, name
