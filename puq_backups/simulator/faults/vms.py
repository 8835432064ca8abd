"""Conditions of a VM, and changes made to it outside the API."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..schema.property_strings import net_parts, print_net
from ..world.disks import drives
from ..world.guests import forget
from ..world.locks import config_lock
from ..world.model import Snapshot
from ..world.qemu import power_on
from ..world.state import World, new_mac
from .registry import control
from .subjects import guest_of, node_of

OF_VM = ("slow-backup", "backup-error", "slow-restore", "start-fail", "powerdown-ignored", "agent-answers")


@control("pause")
def _pause(world: World, step: dict[str, Any]) -> None:
    """The client waits by itself; here it only makes such a step harmless."""
    float(step["seconds"])
    del world


@control(*OF_VM)
def _set_condition(world: World, step: dict[str, Any]) -> None:
    name = step["control"]
    value: Any = True
    if name.startswith("slow-"):
        value = float(step["seconds"])
    elif name in ("backup-error", "start-fail"):
        value = str(step["text"])
    world.conditions[name, int(step["vmid"])] = value


@control("clear")
def _clear(world: World, step: dict[str, Any]) -> None:
    name = step["of"]
    if name == "config-lock-held":
        world.flocks.pop(config_lock(int(step["vmid"])), None)
    else:
        world.conditions.pop((name, int(step.get("vmid", 0))), None)
        world.faults = [one for one in world.faults if one.name != name]


def hold_flock(world: World, name: str, seconds: float | None) -> None:
    length = None if seconds is None else world.as_told(seconds)
    until = None if length is None else world.now() + length
    world.flocks[name] = (object(), until)
    if length is not None:
        world.clock.alarm(length)


def seconds_of(step: dict[str, Any]) -> float | None:
    return float(step["seconds"]) if "seconds" in step else None


@control("config-lock-held")
def _config_lock_held(world: World, step: dict[str, Any]) -> None:
    hold_flock(world, config_lock(int(step["vmid"])), seconds_of(step))


@control("operator-unlock")
def _operator_unlock(world: World, step: dict[str, Any]) -> None:
    guest_of(world, step).config.pop("lock", None)


@control("leftover-lock")
def _leftover_lock(world: World, step: dict[str, Any]) -> None:
    guest_of(world, step).config["lock"] = str(step.get("lock", "backup"))


@control("snapshot-taken")
def _snapshot_taken(world: World, step: dict[str, Any]) -> None:

    guest = guest_of(world, step)
    taken = Snapshot(str(step.get("name", "before")), int(world.now()), "", dict(guest.config))
    guest.snapshots = [*guest.snapshots, taken]


@control("vm-power")
def _vm_power(world: World, step: dict[str, Any]) -> None:
    """Start or stop a VM behind everybody's back."""
    from ..world.qemu import power_off

    guest = guest_of(world, step)
    if step["status"] == "running":
        power_on(world, guest)
    else:
        power_off(world, guest)


@control("vm-destroyed")
def _vm_destroyed(world: World, step: dict[str, Any]) -> None:

    forget(world, guest_of(world, step))


@control("vmid-reused")
def _vmid_reused(world: World, step: dict[str, Any]) -> None:
    """The VM is gone and another one, of another owner, has its VMID: new uuid, new MACs, same archives."""
    guest = guest_of(world, step)
    guest.config["smbios1"] = f"uuid={uuid.uuid4()}"
    if "vmgenid" in guest.config:
        guest.config["vmgenid"] = str(uuid.uuid4())
    for key in [key for key in guest.config if re.fullmatch(r"net\d+", key)]:
        guest.config[key] = print_net({**net_parts(str(guest.config[key])), "macaddr": new_mac()})
    guest.config["name"] = str(step.get("name", f"other{guest.vmid}"))
    guest.snapshots = []


@control("vm-config")
def _vm_config(world: World, step: dict[str, Any]) -> None:
    """Set and delete options as an operator with an editor would."""
    guest = guest_of(world, step)
    guest.config.update(step.get("set", {}))
    for key in step.get("delete", []):
        guest.config.pop(key, None)


@control("migrate")
def _migrate(world: World, step: dict[str, Any]) -> None:
    """Move a VM to another node; images on node-local storages go along, archives stay."""
    guest, target = guest_of(world, step), node_of(world, step).name
    for drive in drives(guest.config).values():
        volume = world.volume(drive["file"], guest.node)
        if volume is not None and volume.node is not None:
            world.volumes.remove(volume)
            volume.node = target
            world.volumes.add(volume)
    guest.node = target


@control("ha")
def _ha(world: World, step: dict[str, Any]) -> None:
    """Put a VM under HA with a requested state, or take it out with `state` null."""
    guest_of(world, step).ha = step.get("state", "started")
