"""Restoring an archive over a VM or into a new one; POST /nodes/{node}/qemu without an archive makes a VM."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, route
from ..schema.vm_options import CREATE, DRIVE_SLOTS
from ..world import access, pbs
from ..world.archives import readable_archive
from ..world.locks import config_lock, flock, release
from ..world.model import Guest
from ..world.storages import activate
from ..world.task import Task
from ..world.volumes import Volume
from .config_checks import check_ssh_keys, check_wishes, wished_options
from .create import check_creation, create
from .restore_worker import Restore

FLOCK_SECONDS = 5
META = {*CREATE, "node", "skiplock"}


@route("POST", "/nodes/{node}/qemu")
def create_or_restore(call: Call) -> Any:
    """Make a VM, or restore one from an archive."""
    if not call.params.get("archive"):
        return create(call)
    return restore(call)


def restore(call: Call) -> Any:
    """The refusals that come at once, then the task."""
    world, params, vmid = call.world, call.params, call.vmid
    check_ssh_keys(params)
    _check_rights(call)
    if slots := sorted(key for key in params if key in DRIVE_SLOTS):
        raise bad_parameters({slots[0]: "option conflicts with option 'archive'"})
    volume = _check_archive(call)
    overrides = wished_options(call, META)
    check_wishes(call, overrides)
    _lock_config(call)
    was_there = world.guests[vmid]

    def work(task: Task) -> None:
        Restore(call, task, volume, was_there, overrides).run()

    def abandon(task: Task) -> None:
        Restore(call, task, volume, was_there, overrides).after_failure()

    return call.task("qmrestore", vmid, work, abandon)


def _check_rights(call: Call) -> None:
    guest = call.world.guests.get(call.vmid)
    here = guest is not None and guest.node == call.node
    may_overwrite = access.may(call.world, call.caller, f"/vms/{call.vmid}", "VM.Backup")
    check_creation(call, over=bool(call.params.get("force") and here and may_overwrite))


def _check_archive(call: Call) -> Volume:
    """The archive, its rights and whether it is there."""
    world, volid = call.world, str(call.params["archive"])
    storage, name = readable_archive(world, call.caller, volid, call.vmid)
    activate(world, storage.storage, call.node)
    volume = world.volume(volid, call.node)
    if volume is None:
        raise failed(pbs.lost(storage, name) if storage.type == "pbs" else f"volume '{volid}' does not exist")
    return volume


def _lock_config(call: Call) -> None:
    """Write the lock `create`, into a new configuration if there is none."""
    world, vmid = call.world, call.vmid
    head = f"unable to restore VM {vmid} -"
    guest = world.guests.get(vmid)
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
