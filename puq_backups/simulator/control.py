"""Conditions and faults by name: what `POST /simulator/control` and `Simulator.control` can bring about.

Each is a function below, registered under its name; docs/simulator.md lists them.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from . import tasks
from .answers import ConnectionCut, Garbage, Refusal, Transport, bad_parameters
from .disks import drives
from .propstrings import net_parts, print_net
from .state import Guest, Node, Storage, World, new_mac
from .volumes import Volume, Volumes

OF_VM = ("slow-backup", "backup-error", "slow-restore", "start-fail", "powerdown-ignored", "agent-answers")
OF_REQUESTS = ("refuse", "drop", "gateway-timeout", "delay", "hold", "garbage", "meanwhile")
OF_TASKS = ("task-fails", "task-warnings", "task-unexpected", "hold-task")
PROXY_STATUS = 590
UNAUTHORIZED = 401


class BadControl(ValueError):
    """A control step that cannot be done, with the reason."""


@dataclass(eq=False)
class Fault:
    """A fault that waits for requests or tasks; `times` None is without end."""

    name: str
    args: dict[str, Any]
    times: int | None = 1
    label: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    met: int = 0

    def matches_request(self, method: str, path: str) -> bool:
        """Whether it is about requests of this method and path (`*` in its path is anything)."""
        wanted = str(self.args.get("path", "*"))
        return self.args.get("method", method) == method and fnmatchcase(path, wanted)

    def matches_task(self, task: tasks.Task) -> bool:
        """Whether it is about tasks of this type and VM."""
        same_vm = "vmid" not in self.args or str(self.args["vmid"]) == task.id.split("@")[0]
        return self.args.get("type", task.type) == task.type and same_vm

    def takes_task(self, task: tasks.Task) -> bool:
        """The same, and counted."""
        return self.matches_task(task) and self.take(task.world)

    def is_over(self, world: World) -> Callable[[], bool]:
        """A question for waiting: has it been released?"""
        return lambda: self not in world.faults

    def take(self, world: World) -> bool:
        """Count one more; the last one ends the fault."""
        self.met += 1
        if self.times is not None and self.met >= self.times and self in world.faults:
            world.faults.remove(self)
        return True


Control = Callable[[World, dict[str, Any]], None]
CONTROLS: dict[str, Control] = {}


def control(*names: str) -> Callable[[Control], Control]:
    """Register a function under the names by which it is asked for."""

    def register(function: Control) -> Control:
        for name in names:
            CONTROLS[name] = function
        return function

    return register


def perform(world: World, step: dict[str, Any]) -> None:
    """Do one control step, `{"control": name, …}`; BadControl says why one cannot be done."""
    name = _known(step)
    with world.lock:
        try:
            CONTROLS[name](world, step)
        except KeyError as missing:
            raise BadControl(f"The control {name!r} needs {missing}.") from missing
        world.rights_changed()
        world.poke()


def _known(step: dict[str, Any]) -> str:
    name = str(step.get("control"))
    if name not in CONTROLS:
        raise BadControl(f"There is no control named {name!r}; known are {', '.join(sorted(CONTROLS))}.")
    return name


# --- faults of requests ----------------------------------------------------------------------------------------


def request_faults(world: World, method: str, path: str) -> list[Fault]:
    """The faults that this request meets, each counted."""
    found = [one for one in world.faults if one.name in OF_REQUESTS and one.matches_request(method, path)]
    for one in found:
        if one.name != "hold":
            one.take(world)
    return found


def before(world: World, faults: list[Fault]) -> None:
    """What faults do before a request has any effect."""
    for fault in faults:
        if fault.name == "delay":
            world.wait_for(lambda: False, world.as_told(float(fault.args["seconds"])))
        if fault.name == "hold":
            fault.met += 1
            world.poke()
            world.wait_for(fault.is_over(world), 600)
        if fault.name == "meanwhile":
            perform(world, fault.args["step"])
        if fault.name == "refuse":
            _refuse(fault.args)
        if fault.name == "garbage":
            raise Garbage("<!DOCTYPE html><title>Maintenance</title>")
        if fault.name == "drop" and fault.args.get("when", "before") == "before":
            raise ConnectionCut


def _refuse(args: dict[str, Any]) -> None:
    status = int(args.get("status", 500))
    if args.get("errors"):
        raise bad_parameters({str(key): str(text) for key, text in args["errors"].items()})
    if status >= PROXY_STATUS or status == UNAUTHORIZED:
        raise Transport(status, str(args.get("reason", "Connection refused")))
    raise Refusal(status, str(args.get("reason", "simulated refusal")))


def after(faults: list[Fault]) -> None:
    """What faults do once the request has had its effect: the client does not learn of it."""
    for fault in faults:
        if fault.name == "drop" and fault.args.get("when") == "after":
            raise ConnectionCut
        if fault.name == "gateway-timeout":
            raise Transport(596, str(fault.args.get("reason", "Connection timed out")))


@control(*OF_REQUESTS, *OF_TASKS)
def _add_fault(world: World, step: dict[str, Any]) -> None:
    args = {key: value for key, value in step.items() if key not in ("control", "times", "label")}
    default: int | None = None if step["control"] in ("hold", "hold-task") else 1
    times = step.get("times", default)
    fault = Fault(step["control"], args, None if times is None else int(times))
    if step["control"] == "task-fails":
        fault.args.setdefault("text", "simulated failure")
    if "label" in step:
        fault.label = str(step["label"])
    if step["control"] == "delay":
        float(step["seconds"])
    if step["control"] == "meanwhile":
        _known(step["step"])
    world.faults.append(fault)


@control("release")
def _release(world: World, step: dict[str, Any]) -> None:
    """End faults: all that wait, or those of one name or label."""
    world.faults = [
        one
        for one in world.faults
        if step.get("of") not in (None, one.name) or step.get("label") not in (None, one.label)
    ]


# --- conditions of a VM ------------------------------------------------------------------------------------------


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


def config_lock(vmid: int) -> str:
    """The file whose flock guards a VM's configuration."""
    return f"/var/lock/qemu-server/lock-{vmid}.conf"


def storage_lock(world: World, storage: str, node: str) -> str:
    """The lock of a storage: cluster-wide for a shared one, a file of the node for others."""
    shared = world.storages[storage].shared
    return f"storage-{storage}" if shared else f"{node}:/var/lock/pve-manager/pve-storage-{storage}"


def _hold_flock(world: World, name: str, seconds: float | None) -> None:
    length = None if seconds is None else world.as_told(seconds)
    until = None if length is None else world.now() + length
    world.flocks[name] = (object(), until)
    if length is not None:
        timer = threading.Timer(length + 0.01, _poke, (world,))
        timer.daemon = True
        timer.start()


def _poke(world: World) -> None:
    with world.lock:
        world.poke()


def _seconds(step: dict[str, Any]) -> float | None:
    return float(step["seconds"]) if "seconds" in step else None


@control("config-lock-held")
def _config_lock_held(world: World, step: dict[str, Any]) -> None:
    _hold_flock(world, config_lock(int(step["vmid"])), _seconds(step))


@control("storage-lock-held")
def _storage_lock_held(world: World, step: dict[str, Any]) -> None:
    node = step.get("node", next(iter(world.nodes)))
    _hold_flock(world, storage_lock(world, _storage(world, step).storage, node), _seconds(step))


@control("worker-killed")
def _worker_killed(world: World, step: dict[str, Any]) -> None:
    tasks.stop(world, _task(world, step), "KILL")


@control("operator-unlock")
def _operator_unlock(world: World, step: dict[str, Any]) -> None:
    _guest(world, step).config.pop("lock", None)


@control("leftover-lock")
def _leftover_lock(world: World, step: dict[str, Any]) -> None:
    _guest(world, step).config["lock"] = str(step.get("lock", "backup"))


@control("snapshot-taken")
def _snapshot_taken(world: World, step: dict[str, Any]) -> None:
    from .state import Snapshot

    guest = _guest(world, step)
    guest.snapshots.append(Snapshot(str(step.get("name", "before")), int(world.now()), "", dict(guest.config)))


@control("vm-power")
def _vm_power(world: World, step: dict[str, Any]) -> None:
    """Start or stop a VM behind everybody's back."""
    from .loading import power_on
    from .power import power_off

    guest = _guest(world, step)
    if step["status"] == "running":
        power_on(world, guest)
    else:
        power_off(world, guest)


@control("vm-destroyed")
def _vm_destroyed(world: World, step: dict[str, Any]) -> None:
    from .lifecycle import forget

    forget(world, _guest(world, step))


@control("vmid-reused")
def _vmid_reused(world: World, step: dict[str, Any]) -> None:
    """The VM is gone and another one, of another owner, has its VMID: new uuid, new MACs, same archives."""
    guest = _guest(world, step)
    guest.config["smbios1"] = f"uuid={uuid.uuid4()}"
    if "vmgenid" in guest.config:
        guest.config["vmgenid"] = str(uuid.uuid4())
    for key in [key for key in guest.config if re.fullmatch(r"net\d+", key)]:
        guest.config[key] = print_net({**net_parts(str(guest.config[key])), "macaddr": new_mac()})
    guest.config["name"] = str(step.get("name", f"other{guest.vmid}"))
    guest.snapshots.clear()


@control("vm-config")
def _vm_config(world: World, step: dict[str, Any]) -> None:
    """Set and delete options as an operator with an editor would."""
    guest = _guest(world, step)
    guest.config.update(step.get("set", {}))
    for key in step.get("delete", []):
        guest.config.pop(key, None)


@control("migrate")
def _migrate(world: World, step: dict[str, Any]) -> None:
    """Move a VM to another node; images on node-local storages go along, archives stay."""
    guest, target = _guest(world, step), _node(world, step).name
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
    _guest(world, step).ha = step.get("state", "started")


# --- archives ----------------------------------------------------------------------------------------------------


@control("archive-damaged")
def _archive_damaged(world: World, step: dict[str, Any]) -> None:
    volume = _volume(world, step)
    volume.damaged, volume.size = True, volume.size // 2


@control("archive-gone")
def _archive_gone(world: World, step: dict[str, Any]) -> None:
    world.volumes.remove(_volume(world, step))


@control("verification")
def _verification(world: World, step: dict[str, Any]) -> None:
    _volume(world, step).verification = str(step.get("state", "failed"))


@control("prune-behind")
def _prune_behind(world: World, step: dict[str, Any]) -> None:
    """A retention job of somebody else: only the newest `keep` unprotected archives of each VM stay."""
    keep = int(step.get("keep", 1))
    found: dict[int, list[Volume]] = {}
    for volume in world.volumes.of_storage(_storage(world, step).storage):
        wanted = "vmid" not in step or volume.vmid == int(step["vmid"])
        if volume.content == "backup" and not volume.protected and wanted:
            found.setdefault(volume.vmid, []).append(volume)
    for volumes in found.values():
        for volume in sorted(volumes, key=lambda one: one.ctime, reverse=True)[keep:]:
            world.volumes.remove(volume)


# --- storages ----------------------------------------------------------------------------------------------------


@control("storage-offline", "storage-online")
def _storage_offline(world: World, step: dict[str, Any]) -> None:
    storage = _storage(world, step)
    name = str(step.get("node", "*"))
    if step["control"] == "storage-offline":
        storage.offline.add(name)
    else:
        storage.offline.clear() if name == "*" else storage.offline.discard(name)


@control("storage-full")
def _storage_full(world: World, step: dict[str, Any]) -> None:
    _storage(world, step).full = bool(step.get("full", True))


@control("storage-slow")
def _storage_slow(world: World, step: dict[str, Any]) -> None:
    _storage(world, step).seconds = float(step["seconds"])


@control("storage-empty")
def _storage_empty(world: World, step: dict[str, Any]) -> None:
    """The share is not mounted and nobody notices: the folder under it is empty."""
    name = _storage(world, step).storage
    kept = Volumes()
    for volume in world.volumes:
        if volume.storage != name or volume.content != "backup":
            kept.add(volume)
    world.volumes = kept


@control("storage-config")
def _storage_config(world: World, step: dict[str, Any]) -> None:
    """Change `prune-backups`, `max-protected-backups`, `disable` or `total` of a storage."""
    storage = _storage(world, step)
    if "prune-backups" in step:
        storage.prune = step["prune-backups"]
    if "max-protected-backups" in step:
        storage.max_protected = int(step["max-protected-backups"])
    if "disable" in step:
        storage.disabled = bool(step["disable"])
    if "total" in step:
        storage.total = step["total"]


@control("garbage-collected")
def _garbage_collected(world: World, step: dict[str, Any]) -> None:
    _storage(world, step).kept_by_garbage = 0


# --- nodes, tasks, rights ----------------------------------------------------------------------------------------


@control("daemon-down", "daemon-up")
def _daemon(world: World, step: dict[str, Any]) -> None:
    for node in [_node(world, step)] if "node" in step else list(world.nodes.values()):
        node.daemon = step["control"] == "daemon-up"


@control("node-offline", "node-online")
def _node_offline(world: World, step: dict[str, Any]) -> None:
    node = _node(world, step)
    node.online = step["control"] == "node-online"
    if not node.online:
        for task in [one for one in world.tasks.values() if one.running and one.node == node.name]:
            tasks.stop(world, task, "KILL")
        for guest in world.guests.values():
            if guest.node == node.name:
                guest.pid, guest.qmpstatus = None, "stopped"


@control("node-rebooted")
def _node_rebooted(world: World, step: dict[str, Any]) -> None:
    """Tasks die, VMs are off, `backup` locks left over are cleared; `create` locks are not."""
    _node_offline(world, {**step, "control": "node-offline"})
    node = _node(world, step)
    node.online, node.booted = True, world.now()
    for guest in world.guests.values():
        if guest.node == node.name and guest.lock == "backup":
            del guest.config["lock"]


@control("quorum")
def _quorum(world: World, step: dict[str, Any]) -> None:
    world.quorum = bool(step.get("quorate", False))


@control("clock-skew")
def _clock_skew(world: World, step: dict[str, Any]) -> None:
    for node in [_node(world, step)] if "node" in step else list(world.nodes.values()):
        node.clock_skew = float(step["seconds"])


@control("clock-zone")
def _clock_zone(world: World, step: dict[str, Any]) -> None:
    """The zone of a node: names of archives are in it."""
    for node in [_node(world, step)] if "node" in step else list(world.nodes.values()):
        node.utc_offset = int(step["seconds"])


@control("vzdump-lock-held")
def _vzdump_lock_held(world: World, step: dict[str, Any]) -> None:
    """Somebody else's backup job holds the node's lock until `vzdump-lock-released`."""
    _node(world, step).vzdump_holder = "elsewhere"


@control("vzdump-lock-released")
def _vzdump_lock_released(world: World, step: dict[str, Any]) -> None:
    node = _node(world, step)
    node.vzdump_holder = None if node.vzdump_holder == "elsewhere" else node.vzdump_holder


@control("task-lost")
def _task_lost(world: World, step: dict[str, Any]) -> None:
    """The log of a task, or of every ended one, has been rotated away."""
    for task in [_task(world, step)] if "upid" in step else list(world.tasks.values()):
        if not task.running or "upid" in step:
            task.lost = True


@control("token-revoked", "token-restored")
def _token_revoked(world: World, step: dict[str, Any]) -> None:
    if step["token"] not in world.tokens:
        raise BadControl(f"There is no token {step['token']!r}.")
    world.tokens[step["token"]].revoked = step["control"] == "token-revoked"


@control("acl")
def _acl(world: World, step: dict[str, Any]) -> None:
    """Grant `role` to `user` (a user or a full token id) on `path`, or take it with `delete`."""
    entry = {"path": step["path"], "ugid": step["user"], "roleid": step["role"]}
    entry["type"] = "token" if "!" in step["user"] else "user"
    world.rights_changed()
    world.acl = [one for one in world.acl if any(one[key] != entry[key] for key in ("path", "ugid", "roleid"))]
    if "privileges" in step:
        world.roles[step["role"]] = frozenset(step["privileges"])
    if not step.get("delete"):
        world.acl.append({**entry, "propagate": int(step.get("propagate", 1))})


# --- what steps name ---------------------------------------------------------------------------------------------


def _guest(world: World, step: dict[str, Any]) -> Guest:
    found = world.guests.get(int(step["vmid"]))
    if found is None:
        raise BadControl(f"There is no VM {step['vmid']}.")
    return found


def _node(world: World, step: dict[str, Any]) -> Node:
    name = step.get("node", next(iter(world.nodes)))
    if name not in world.nodes:
        raise BadControl(f"There is no node {name!r}.")
    return world.nodes[name]


def _storage(world: World, step: dict[str, Any]) -> Storage:
    found = world.storages.get(step["storage"])
    if found is None:
        raise BadControl(f"There is no storage {step['storage']!r}.")
    return found


def _task(world: World, step: dict[str, Any]) -> tasks.Task:
    found = world.tasks.get(step["upid"])
    if found is None:
        raise BadControl(f"There is no task {step['upid']!r}.")
    return found


def _volume(world: World, step: dict[str, Any]) -> Volume:
    storage, _, name = str(step["volid"]).partition(":")
    for volume in world.volumes.of_storage(storage):
        if volume.name == name:
            return volume
    raise BadControl(f"There is no volume {step['volid']!r}.")
