"""Growing a disk."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, route
from ..schema.property_strings import print_drive, size_bytes, size_text
from ..world import access
from ..world.disks import drives, is_cdrom
from ..world.locks import refuse_locked, release, take_config_lock, take_storage_lock
from ..world.model import Guest
from ..world.storages import activate
from ..world.task import Task, TaskError
from ..world.volumes import FILE_TYPES, Volume
from .config_checks import CHECKSUM


@route("PUT", "/nodes/{node}/qemu/{vmid}/resize", needs("/vms/{vmid}", "VM.Config.Disk"))
def resize(call: Call) -> Any:
    """Grow a disk, as a task that also makes all the checks."""
    if call.params.get("skiplock") and call.caller.id != "root@pam":
        raise bad_parameters({"skiplock": "Only root may use this option."})

    def work(task: Task) -> None:
        _grow(call, task)

    return call.task("resize", call.vmid, work)


def _grow(call: Call, task: Task) -> None:
    world, slot = call.world, str(call.params["disk"])
    take_config_lock(world, task, call.vmid)
    guest = world.guest(call.vmid, call.node)
    if call.params.get("digest") not in (None, "", guest.digest()):
        raise TaskError(CHECKSUM)
    refuse_locked(guest)
    drive, volume = _growing(call, guest)
    storage = world.storages[volume.storage]
    wanted = _wanted(volume.size, str(call.params["size"]))
    if wanted < volume.size:
        raise TaskError("shrinking disks is not supported")
    if wanted == volume.size:
        return
    if storage.type in FILE_TYPES and volume.format not in ("raw", "qcow2"):
        raise TaskError("can't resize this image format")
    lock = take_storage_lock(world, task, storage, call.node)
    if storage.full or (storage.total is not None and wanted > storage.total):
        raise TaskError(f"command '/usr/bin/qemu-img resize -f {volume.format}' failed: No space left on device")
    volume.size = -(-wanted // 1024) * 1024
    release(world, task, lock)
    if not guest.running:
        task.log("Image resized.")
    guest.config[slot] = print_drive({**drive, "size": size_text(wanted)})


def _growing(call: Call, guest: Guest) -> tuple[dict[str, str], Volume]:
    """The drive that is to grow and its image, with the checks of both."""
    world, slot = call.world, str(call.params["disk"])
    drive = drives(guest.config).get(slot)
    if drive is None:
        raise TaskError(f"disk '{slot}' does not exist")
    if ":" not in drive["file"]:
        raise TaskError(f"unable to parse volume ID '{drive['file']}'")
    if is_cdrom(drive):
        raise TaskError("you can't resize a cdrom")
    name = drive["file"].partition(":")[0]
    access.demand(world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
    activate(world, name, call.node)
    volume = world.volume(drive["file"], call.node)
    if volume is None:
        raise failed(f"volume '{drive['file']}' does not exist")
    return drive, volume


def _wanted(size: int, text: str) -> int:
    """The new size in bytes; the image gets whole KiB, the configuration does not."""
    amount = size_bytes(text.removeprefix("+"))
    return size + amount if text.startswith("+") else amount
