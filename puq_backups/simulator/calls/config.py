"""The configuration of a VM: reading it, and changing it on a stopped and on a running VM."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, needs_any, route
from ..schema.vm_options import ANY_CONFIG_PRIVILEGE, CHANGE, CLOUDINIT_KEYS, IPCONFIGS
from ..world.locks import config_lock, flock, refuse_locked, release, take_config_lock
from ..world.model import Config, Guest
from ..world.task import Task
from .config_change import change
from .config_checks import CHECKSUM, check_change, check_memory, split_names, wished_options

BUSY_SECONDS = 10
MASK = "**********"


@route("GET", "/nodes/{node}/qemu/{vmid}/config", needs("/vms/{vmid}", "VM.Audit"), protected=False)
def read(call: Call) -> Any:
    """The configuration with pending changes as if applied, or as it is (`current`), or a snapshot's."""
    guest = call.world.guest(call.vmid, call.node)
    if call.params.get("snapshot") and call.params.get("current"):
        text = "cannot use 'snapshot' parameter with 'current'"
        raise bad_parameters({"snapshot": text, "current": text})
    if call.params.get("snapshot"):
        found = [one.whole() for one in guest.snapshots if one.name == call.params["snapshot"]]
        if not found:
            raise failed(f"snapshot '{call.params['snapshot']}' does not exist")
        return _masked(found[0]) | {"digest": guest.digest()}
    config = guest.config if call.params.get("current") else guest.merged()
    return _masked(config) | {"digest": guest.digest()}


def _masked(config: Config) -> Config:
    return {key: MASK if key == "cipassword" else value for key, value in config.items()}


@route("GET", "/nodes/{node}/qemu/{vmid}/pending", needs("/vms/{vmid}", "VM.Audit"), protected=False)
def pending(call: Call) -> Any:
    """Each option with its value, and what is pending for it."""
    guest = call.world.guest(call.vmid, call.node)
    now, later = _masked(guest.config), _masked(guest.pending)
    found: list[dict[str, Any]] = []
    for key in {**now, **later}:
        item: dict[str, Any] = {"key": key}
        if key in now:
            item["value"] = now[key]
        if key in later:
            item["pending"] = later[key]
        if key in guest.pending_delete:
            item["delete"] = 2 if key in guest.forced_delete else 1
        found.append(item)
    return [*found, {"key": "digest", "value": guest.digest()}]


def _wishes(call: Call) -> tuple[Config, list[str], list[str]]:
    changes = wished_options(call, {*CHANGE, "node", "vmid"})
    deleted = ["ide2" if key == "cdrom" else key for key in split_names(call.params.get("delete"))]
    reverted = split_names(call.params.get("revert"))
    check_change(call, changes, deleted, reverted)
    return changes, deleted, reverted


def _checked(call: Call, changes: Config) -> Guest:
    guest = call.world.guest(call.vmid, call.node)
    if call.params.get("digest") not in (None, "", guest.digest()):
        raise failed(CHECKSUM)
    refuse_locked(guest)
    check_memory({**guest.merged(), **changes}, changes)
    return guest


MAY_CHANGE = needs_any("/vms/{vmid}", *ANY_CONFIG_PRIVILEGE)


@route("PUT", "/nodes/{node}/qemu/{vmid}/unlink", needs("/vms/{vmid}", "VM.Config.Disk"))
def unlink(call: Call) -> Any:
    """Delete disks from the configuration: the same as its change with `delete`."""
    call.params["delete"] = call.params.pop("idlist")
    _put(call)


@route("PUT", "/nodes/{node}/qemu/{vmid}/config", MAY_CHANGE)
def put(call: Call) -> Any:
    """Change the configuration; the answer comes when it is done."""
    _put(call)


def _put(call: Call) -> None:
    changes, deleted, reverted = _wishes(call)
    if call.world.is_9:
        _checked(call, changes)
    with _config_lock(call):
        change(call, _checked(call, changes), changes, deleted, reverted, lambda _line: None)


@contextlib.contextmanager
def _config_lock(call: Call) -> Iterator[None]:
    """The flock on the configuration while the caller waits for his answer."""
    lock, owner = config_lock(call.vmid), object()
    if not flock(call.world, owner, lock, BUSY_SECONDS):
        raise failed(f"can't lock file '{lock}' - got timeout")
    try:
        yield
    finally:
        release(call.world, owner, lock)


@route("POST", "/nodes/{node}/qemu/{vmid}/config", MAY_CHANGE)
def post(call: Call) -> Any:
    """The same as a task; null with `background_delay` if it was done in time."""
    changes, deleted, reverted = _wishes(call)
    # PVE 9 takes the lock inside the task, PVE 8 before it.
    with contextlib.nullcontext() if call.world.is_9 else _config_lock(call):
        _checked(call, changes)

    def work(task: Task) -> None:
        untold = {"node", "vmid", "digest", "background_delay", "import-working-storage"}
        given = {key: value for key, value in call.given.items() if key not in untold}
        told = [f"-{key} {_told(key, given[key])}" for key in sorted(given)]
        take_config_lock(call.world, task, call.vmid)
        guest = _checked(call, changes)
        task.log(f"update VM {call.vmid}: {' '.join(told)}")
        change(call, guest, changes, deleted, reverted, task.log)

    upid = call.task("qmconfig", call.vmid, work)
    if "background_delay" not in call.params:
        return upid
    task = call.world.tasks[upid]
    call.world.wait_for(lambda: not task.running, call.world.as_told(call.params["background_delay"]))
    if task.exitstatus not in (None, "OK"):
        raise failed(f"failed to update VM {call.vmid}: {task.exitstatus}")
    return upid if task.running else None


def _told(key: str, value: object) -> object:
    return "<hidden>" if key == "cipassword" else value


@route("PUT", "/nodes/{node}/qemu/{vmid}/cloudinit", needs("/vms/{vmid}", "VM.Config.Cloudinit"))
def regenerate_cloudinit(call: Call) -> Any:
    """Write the cloud-init drive anew."""
    guest = call.world.guest(call.vmid, call.node)
    refuse_locked(guest)
    for key in [key for key in guest.pending if key in (*CLOUDINIT_KEYS, *IPCONFIGS)]:
        guest.config[key] = guest.pending.pop(key)
    guest.cloudinit_dirty = False
