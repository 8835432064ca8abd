"""Growing a disk."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, route
from ..schema.property_strings import size_bytes
from ..world import access
from ..world.disks import drives, is_cdrom, with_size
from ..world.locks import refuse_locked, release, take_config_lock, take_storage_lock
from ..world.storages import activate
from ..world.task import Task, TaskError
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
    drive = drives(guest.config).get(slot)
    if drive is None:
        raise TaskError(f"disk '{slot}' does not exist")
    if is_cdrom(drive):
        raise TaskError("you can't resize a cdrom")
    name = drive["file"].partition(":")[0]
    access.demand(world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
    storage = activate(world, name, call.node)
    volume = world.volume(drive["file"], call.node)
    if volume is None:
        raise failed(f"Could not determine current size of volume '{drive['file']}'")
    wanted = _wanted(volume.size, str(call.params["size"]))
    if wanted < volume.size:
        raise TaskError("shrinking disks is not supported")
    if wanted > volume.size:
        lock = take_storage_lock(world, task, storage, call.node)
        if storage.full or (storage.total is not None and wanted > storage.total):
            raise TaskError(f"command '/usr/bin/qemu-img resize -f {volume.format}' failed: No space left on device")
        volume.size = wanted
        release(world, task, lock)
        if not guest.running:
            task.log("Image resized.")
    guest.config[slot] = with_size(world, call.node, drive)


def _wanted(size: int, text: str) -> int:
    """The new size, rounded up to whole KiB."""
    amount = size_bytes(text.removeprefix("+"))
    total = size + amount if text.startswith("+") else amount
    return -(-total // 1024) * 1024
