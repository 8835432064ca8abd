"""DELETE /nodes/{node}/qemu/{vmid}."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, needs, route
from ..world.guests import forget, refuse_used_base
from ..world.locks import refuse_locked, take_config_lock
from ..world.model import Guest
from ..world.task import Task


@route("DELETE", "/nodes/{node}/qemu/{vmid}", needs("/vms/{vmid}", "VM.Allocate"))
def destroy(call: Call) -> Any:
    """Destroy a VM, as a task; what forbids it is told at once."""
    from .power import refuse_skiplock

    refuse_skiplock(call)
    world, vmid = call.world, call.vmid
    guest = world.guest(vmid, call.node)
    purge = bool(call.params.get("purge"))
    _refuse_destroying(guest, purge)

    def work(task: Task) -> None:
        take_config_lock(world, task, vmid)
        found = world.guest(vmid, call.node)
        refuse_locked(found)
        _refuse_destroying(found, purge)
        refuse_used_base(world, found)
        forget(world, found, unreferenced=bool(call.params.get("destroy-unreferenced-disks")), warn=task.warn)
        if purge:
            task.log(f"purging VM {vmid} from related configurations..")
        if purge and found.ha:
            task.log(f"NOTE: removed VM {vmid} from HA resource configuration.")

    return call.task("qmdestroy", vmid, work)


def _refuse_destroying(guest: Guest, purge: bool) -> None:
    if guest.config.get("protection"):
        raise failed(f"can't remove VM {guest.vmid} - protection mode enabled")
    if guest.ha and not purge:
        raise failed(f"unable to remove VM {guest.vmid} - used in HA resources and purge parameter not set.")
    if guest.running:
        raise failed(f"VM {guest.vmid} is running - destroy failed")
