"""A Proxmox Backup Server as a store: names, texts of its client and server, dirty bitmaps."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Guest, Storage
from .state import World
from .volumes import Volume

CHUNK = 4 * 1024**2
DIRTY_PER_SECOND = 1024**2
CLIENT = "proxmox-backup-client failed: Error: "


def repository(storage: Storage) -> str:
    """The repository as the client is given it: user@realm@server:datastore."""
    return f"{storage.username}@{storage.server}:{storage.datastore}"


def folder(storage: Storage, name: str) -> str:
    """Where a snapshot lies on the server."""
    namespace = "".join(f"ns/{part}/" for part in (storage.namespace or "").split("/") if part)
    return f"/mnt/datastore/{storage.datastore}/{namespace}{name.removeprefix('backup/')}"


def lost(storage: Storage, name: str) -> str:
    """The client's words when it reads a snapshot that is not there."""
    path = f"{folder(storage, name)}/index.json.blob"
    return f"{CLIENT}unable to load blob '\"{path}\"' - No such file or directory (os error 2)"


def not_forgotten(storage: Storage, name: str) -> str:
    """The client's words when it is to remove a snapshot that is not there."""
    path = folder(storage, name)
    return f'{CLIENT}unable to open snapshot directory "{path}" for locking - ENOENT: No such file or directory'


def is_foreign(storage: Storage, vmid: int) -> bool:
    """Whether the backup group of a VM belongs to another user of the server."""
    return vmid in storage.foreign_groups or None in storage.foreign_groups


def owner_mismatch(storage: Storage, vmid: int) -> str:
    """The text with which a backup into somebody else's group fails."""
    why = f"backup owner check failed ({storage.username} != other@pbs)"
    return f"VM {vmid} qmp command 'backup' failed - backup connect failed: command error: {why}"


@dataclass
class Bitmap:
    """What of one disk a backup has to read, and how its log calls the state of the dirty bitmap."""

    slot: str
    size: int
    dirty: int
    status: str


def dirty_bitmaps(
    world: World, guest: Guest, storage: Storage, sizes: dict[str, int], *, started_for_it: bool
) -> list[Bitmap]:
    """The bitmaps of a VM's disks as QEMU has them for this store: they live as long as the QEMU process."""
    pid, since, last = guest.bitmaps.get(storage.storage, (None, 0.0, ""))
    known = pid is not None and pid == guest.pid and not started_for_it
    there = world.volumes.get(world.place(storage.storage, guest.node), last) is not None
    found = []
    for slot, size in sorted(sizes.items()):
        dirty, status = size, "created new"
        if known and not there:
            status = "existing bitmap was invalid and has been cleared"
        elif known and slot != "tpmstate0":
            written = int(world.now() - since) * DIRTY_PER_SECOND
            dirty = min(size, -(-written // CHUNK) * CHUNK)
            status = "OK (drive clean)" if not dirty else "OK ({dirty} of {size} dirty)"
        found.append(Bitmap(slot, size, dirty, status))
    return found


def remember(world: World, guest: Guest, storage: Storage, volume: Volume) -> None:
    """Keep the bitmaps that QEMU has after a backup."""
    guest.bitmaps[storage.storage] = (guest.pid, world.now(), volume.name)
