"""Restoring an archive over a VM or into a new one; POST /nodes/{node}/qemu without an archive makes a VM."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, failed, forbidden
from ..http.router import Call, route
from ..schema.parameters import BOOLEAN, NODE, Param
from ..schema.vm_options import CREATE, DRIVE_SLOTS, OPTIONS
from ..world import access
from ..world.locks import config_lock, flock, release
from ..world.model import Config, Guest
from ..world.storages import activate
from ..world.task import Task
from ..world.volumes import Volume, name_parts
from .config_checks import check_rights
from .create import create
from .restore_worker import Restore

FLOCK_SECONDS = 5
META = {*CREATE, "node", "ha-managed", "skiplock"}


@route(
    "POST",
    "/nodes/{node}/qemu",
    {"node": NODE, **OPTIONS, **CREATE, "ha-managed": BOOLEAN, "machine": Param()},
)
def create_or_restore(call: Call) -> Any:
    """Make a VM, or restore one from an archive."""
    if "ha-managed" in call.params and not call.world.is_9:
        raise bad_parameters(
            {"ha-managed": "property is not defined in schema and the schema does not allow additional properties"}
        )
    if "archive" not in call.params:
        return create(call)
    return restore(call)


def restore(call: Call) -> Any:
    """The refusals that come at once, then the task."""
    world, params, vmid = call.world, call.params, call.vmid
    _check_rights(call)
    for slot in DRIVE_SLOTS:
        if slot in params:
            raise bad_parameters({slot: "option conflicts with option 'archive'"})
    volume = _check_archive(call)
    overrides: Config = {key: value for key, value in params.items() if key not in META}
    check_rights(call, {}, overrides, ())
    _lock_config(call)
    was_there = world.guests[vmid]

    def work(task: Task) -> None:
        Restore(call, task, volume, was_there, overrides).run()

    return call.task("qmrestore", vmid, work)


def _check_rights(call: Call) -> None:
    world, params, caller, vmid = call.world, call.params, call.caller, call.vmid
    exists = vmid in world.guests
    path = f"/vms/{vmid}"
    over = params.get("force") and exists and access.may(world, caller, path, "VM.Backup")
    in_pool = "pool" in params and access.may(world, caller, f"/pool/{params['pool']}", "VM.Allocate")
    if not access.may(world, caller, path, "VM.Allocate") and not over and not in_pool:
        raise forbidden()
    if "storage" in params:
        access.demand(world, caller, f"/storage/{params['storage']}", "Datastore.AllocateSpace")
    if params.get("start") and world.is_9:
        access.demand(world, caller, path, "VM.PowerMgmt")
    if "pool" in params and params["pool"] not in world.pools:
        raise failed(f"pool '{params['pool']}' does not exist")


def _check_archive(call: Call) -> Volume:
    world, volid = call.world, str(call.params["archive"])
    name, _, rest = volid.partition(":")
    if not rest:
        raise failed(f"unable to parse volume ID '{volid}'")
    if name not in world.storages:
        raise failed(f"storage '{name}' does not exist")
    try:
        kind, _format, owner = name_parts(rest)
    except ValueError:
        raise failed(f"unable to parse directory volume name '{rest}'") from None
    if kind != "backup":
        raise failed(f"unable to use volume {volid} - content type needs to be 'backup'")
    stand_in = Volume(name, rest, kind, "raw", 0, 0, owner or 0)
    access.demand_volume(world, call.caller, stand_in, call.vmid)
    activate(world, name, call.node)
    volume = world.volume(volid, call.node)
    if volume is None:
        raise failed(f"volume '{volid}' does not exist")
    if call.params.get("live-restore") and world.storages[name].type != "pbs":
        raise failed("live-restore is only compatible with backup images from a Proxmox Backup Server")
    return volume


def _lock_config(call: Call) -> None:
    """Write the lock `create`, into a new configuration if there is none."""
    world, vmid = call.world, call.vmid
    head = f"unable to restore VM {vmid} -"
    guest = world.guests.get(vmid)
    if not world.quorum:
        raise failed("cluster not ready - no quorum?")
    if guest is not None and (not call.params.get("force") or guest.node != call.node):
        raise failed(f"{head} VM {vmid} already exists on node '{guest.node}'")
    owner, lock = object(), config_lock(vmid)
    if not flock(world, owner, lock, FLOCK_SECONDS):
        raise failed(f"{head} can't lock file '{lock}' - got timeout")
    release(world, owner, lock)
    if guest is None:
        world.guests[vmid] = Guest(vmid, call.node, {"lock": "create"})
        return
    if guest.lock:
        raise failed(f"{head} VM is locked ({guest.lock})")
    guest.config["lock"] = "create"
