"""POST /nodes/{node}/qemu without an archive: a new VM."""

from __future__ import annotations

import uuid
from typing import Any

from ..answers import Refusal, failed, forbidden, no_pool
from ..http.router import Call
from ..schema.vm_options import CREATE, NETS, SPECIAL
from ..world import access
from ..world.disks import drives, is_cdrom
from ..world.guests import forget
from ..world.locks import take_config_lock
from ..world.model import Config, Guest, tidied
from ..world.qemu import autostart
from ..world.task import Task, TaskError
from .config_change import stored
from .config_checks import check_ssh_keys, check_wishes, name_drives, wished_options

QEMU = "11.0.0"


def check_creation(call: Call, *, over: bool = False) -> None:
    """Quorum, and the rights that creating and restoring have in common. `over`: an existing VM is overwritten."""
    world, params, caller, vmid = call.world, call.params, call.caller, call.vmid
    if not world.quorum:
        raise failed("cluster not ready - no quorum?")
    pool = params.get("pool")
    if pool is not None and pool not in world.pools:
        raise no_pool(str(pool))
    if "storage" in params:
        access.demand(world, caller, f"/storage/{params['storage']}", "Datastore.AllocateSpace")
    if params.get("ha-managed"):
        access.demand(world, caller, "/", "Sys.Console")
    if params.get("start") and world.is_9:
        access.demand(world, caller, f"/vms/{vmid}", "VM.PowerMgmt")
    in_pool = pool is not None and access.may(world, caller, f"/pool/{pool}", "VM.Allocate")
    if not access.may(world, caller, f"/vms/{vmid}", "VM.Allocate") and not over and not in_pool:
        raise forbidden()


def create(call: Call) -> Any:
    """Make a VM, as a task."""
    world, params, vmid = call.world, call.params, call.vmid
    check_ssh_keys(params)
    check_creation(call)
    wishes = wished_options(call, {*CREATE, "node", "skiplock"})
    check_wishes(call, wishes)
    name_drives(world, wishes)
    if vmid in world.guests:
        where = world.guests[vmid].node
        raise failed(f"unable to create VM {vmid} - VM {vmid} already exists on node '{where}'")
    guest = world.guests[vmid] = Guest(vmid, call.node, {"lock": "create"})

    def work(task: Task) -> None:
        try:
            make(task)
        except (TaskError, Refusal) as problem:
            forget(world, guest, unreferenced=True)
            text = problem.in_task if isinstance(problem, Refusal) else str(problem)
            raise TaskError(f"unable to create VM {vmid} - {text}") from None

    def make(task: Task) -> None:
        take_config_lock(world, task, vmid, 1)
        made: Config = {}
        for key in sorted(wishes):
            made[key] = stored(world, call.node, vmid, key, wishes[key], task.log)
        made.setdefault("boot", f"order={';'.join(_bootable(made))}")
        made.setdefault("vmgenid", str(uuid.uuid4()))
        made.setdefault("smbios1", f"uuid={uuid.uuid4()}")
        made["meta"] = f"creation-qemu={QEMU},ctime={int(world.now(call.node))}"
        guest.config = tidied(made)
        if "pool" in params:
            world.pools.setdefault(str(params["pool"]), set()).add(vmid)
        if params.get("start"):
            task.log("Execute autostart")
            autostart(world, task, guest)

    return call.task("qmcreate", vmid, work, lambda _task: forget(world, guest))


def _bootable(made: Config) -> list[str]:
    """The boot order of a VM for which none was given: first disk, first CD drive, first network device."""
    found = drives(made)
    disks = [slot for slot in found if not is_cdrom(found[slot]) and slot not in SPECIAL]
    cdroms = [slot for slot in found if is_cdrom(found[slot])]
    return [*disks[:1], *cdroms[:1], *[key for key in NETS if key in made][:1]]
