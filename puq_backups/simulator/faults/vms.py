"""Conditions of a VM, and changes made to it outside the API."""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import Any

from ..schema.property_strings import net_parts, print_net
from ..world import guests
from ..world.locks import config_lock
from ..world.model import Guest, Snapshot
from ..world.qemu import power_off, power_on
from ..world.state import Undo, World, new_mac
from .registry import BadControl, Step, control
from .subjects import guest_of, node_of

OF_VM: dict[str, type] = {"vmid": int}


@control("pause", needs={"seconds": float})
def _pause(world: World, step: Step) -> None:
    """The client waits by itself; here it only makes such a step harmless."""
    del world, step


@control("slow-backup", "slow-restore", needs={**OF_VM, "seconds": float})
@control("backup-error", "start-fail", needs={**OF_VM, "text": str})
@control("powerdown-ignored", "agent-answers", needs=OF_VM)
def _set_condition(world: World, step: Step) -> Undo:
    key = (step["control"], step["vmid"])
    before = world.conditions.get(key)
    world.conditions[key] = step.get("seconds", step.get("text", True))
    return partial(_restore_condition, world, key, before)


def _restore_condition(world: World, key: tuple[str, int], before: Any) -> None:
    world.conditions[key] = before
    if before is None:
        del world.conditions[key]


@control("clear", needs={"of": str}, may=OF_VM)
def _clear(world: World, step: Step) -> None:
    """End a condition of a VM."""
    name = step["of"]
    if name == "config-lock-held":
        world.flocks.pop(config_lock(step["vmid"]), None)
    else:
        world.conditions.pop((name, step.get("vmid", 0)), None)
        world.faults = [one for one in world.faults if one.name != name]


def hold_flock(world: World, name: str, seconds: float | None) -> Undo:
    """Let somebody hold the lock on a file, for so many seconds or until it is undone."""
    length = None if seconds is None else world.as_told(seconds)
    until = None if length is None else world.now() + length
    world.flocks[name] = (object(), until)
    if length is not None:
        world.clock.alarm(length)
    return partial(_drop_flock, world, name)


def _drop_flock(world: World, name: str) -> None:
    world.flocks.pop(name, None)


@control("config-lock-held", needs=OF_VM, may={"seconds": float})
def _config_lock_held(world: World, step: Step) -> Undo:
    return hold_flock(world, config_lock(step["vmid"]), step.get("seconds"))


def _restore_options(guest: Guest, before: dict[str, Any]) -> None:
    """Give options the values that they had before; None is unset."""
    for key, value in before.items():
        if value is None:
            guest.config.pop(key, None)
        else:
            guest.config[key] = value


@control("operator-unlock", needs=OF_VM)
def _operator_unlock(world: World, step: Step) -> Undo:
    guest = guest_of(world, step)
    return partial(_restore_options, guest, {"lock": guest.config.pop("lock", None)})


@control("leftover-lock", needs=OF_VM, may={"lock": str})
def _leftover_lock(world: World, step: Step) -> Undo:
    guest = guest_of(world, step)
    before = {"lock": guest.config.get("lock")}
    guest.config["lock"] = step.get("lock", "backup")
    return partial(_restore_options, guest, before)


@control("snapshot-taken", needs=OF_VM, may={"name": str})
def _snapshot_taken(world: World, step: Step) -> Undo:
    guest = guest_of(world, step)
    taken = Snapshot(step.get("name", "before"), int(world.now()), "", dict(guest.config))
    before = {"parent": guest.config.get("parent")}
    guest.snapshots = [*guest.snapshots, taken]
    guest.config["parent"] = taken.name

    def undo() -> None:
        guest.snapshots = [one for one in guest.snapshots if one is not taken]
        _restore_options(guest, before)

    return undo


@control("vm-power", needs={**OF_VM, "status": str})
def _vm_power(world: World, step: Step) -> Undo:
    """Start or stop a VM outside the API."""
    guest = guest_of(world, step)
    if step["status"] not in ("running", "stopped"):
        raise BadControl("The argument 'status' of 'vm-power' must be running or stopped.")
    was_running = guest.running
    _set_power(world, guest, step["status"] == "running")
    return partial(_set_power, world, guest, was_running)


def _set_power(world: World, guest: Guest, running: bool) -> None:
    if running:
        power_on(world, guest)
    else:
        power_off(world, guest)


@control("vm-destroyed", needs=OF_VM)
def _vm_destroyed(world: World, step: Step) -> Undo:
    guest = guest_of(world, step)
    images = [one for one in world.volumes if one.vmid == guest.vmid and one.content == "images"]
    pools = [name for name, members in world.pools.items() if guest.vmid in members]
    rights = world.acl
    guests.forget(world, guest)

    def undo() -> None:
        world.guests[guest.vmid] = guest
        for image in images:
            world.volumes.add(image)
        for pool in pools:
            world.pools[pool].add(guest.vmid)
        world.acl = rights

    return undo


@control("vmid-reused", needs=OF_VM, may={"name": str})
def _vmid_reused(world: World, step: Step) -> Undo:
    """The VM is gone and another one, of another owner, has its VMID: new uuid, new MACs, same archives."""
    guest = guest_of(world, step)
    config, snapshots = dict(guest.config), guest.snapshots
    guest.config["smbios1"] = f"uuid={uuid.uuid4()}"
    if "vmgenid" in guest.config:
        guest.config["vmgenid"] = str(uuid.uuid4())
    for key in [key for key in guest.config if re.fullmatch(r"net\d+", key)]:
        guest.config[key] = print_net({**net_parts(str(guest.config[key])), "macaddr": new_mac()})
    guest.config["name"] = step.get("name", f"other{guest.vmid}")
    guest.snapshots = []

    def undo() -> None:
        guest.config, guest.snapshots = config, snapshots

    return undo


@control("vm-config", needs=OF_VM, may={"set": dict, "delete": list})
def _vm_config(world: World, step: Step) -> Undo:
    """Set and delete options as an operator with an editor would."""
    guest = guest_of(world, step)
    before = {key: guest.config.get(key) for key in [*step.get("set", {}), *step.get("delete", [])]}
    guest.config.update(step.get("set", {}))
    for key in step.get("delete", []):
        guest.config.pop(key, None)
    return partial(_restore_options, guest, before)


@control("migrate", needs=OF_VM, may={"node": str})
def _migrate(world: World, step: Step) -> Undo:
    """Move a VM to another node; images on node-local storages go along, archives stay."""
    guest = guest_of(world, step)
    before = guest.node
    guests.move(world, guest, node_of(world, step).name)
    return partial(guests.move, world, guest, before)


@control("ha", needs=OF_VM, may={"state": object})
def _ha(world: World, step: Step) -> Undo:
    """Put a VM under HA with a requested state, or take it out with `state` null."""
    guest = guest_of(world, step)
    before = guest.ha
    guest.ha = step.get("state", "started")
    return partial(setattr, guest, "ha", before)
