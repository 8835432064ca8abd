"""Conditions of nodes, tasks and access rights."""

from __future__ import annotations

from typing import Any

from ..world import workers
from ..world.locks import set_vzdump_holder
from ..world.state import World
from .registry import BadControl, control
from .subjects import node_of, task_of


@control("worker-killed")
def _worker_killed(world: World, step: dict[str, Any]) -> None:
    workers.stop(world, task_of(world, step), "KILL")


@control("daemon-down", "daemon-up")
def _daemon(world: World, step: dict[str, Any]) -> None:
    for node in [node_of(world, step)] if "node" in step else list(world.nodes.values()):
        node.daemon = step["control"] == "daemon-up"


@control("node-offline", "node-online")
def _node_offline(world: World, step: dict[str, Any]) -> None:
    node = node_of(world, step)
    node.online = step["control"] == "node-online"
    if not node.online:
        for task in [one for one in world.tasks.values() if one.running and one.node == node.name]:
            workers.stop(world, task, "KILL")
        for guest in world.guests.values():
            if guest.node == node.name:
                guest.pid, guest.qmpstatus = None, "stopped"


@control("node-rebooted")
def _node_rebooted(world: World, step: dict[str, Any]) -> None:
    """Tasks die, VMs are off, `backup` locks left over are cleared; `create` locks are not."""
    _node_offline(world, {**step, "control": "node-offline"})
    node = node_of(world, step)
    node.online, node.booted = True, world.now()
    for guest in world.guests.values():
        if guest.node == node.name and guest.lock == "backup":
            del guest.config["lock"]


@control("quorum")
def _quorum(world: World, step: dict[str, Any]) -> None:
    world.quorum = bool(step.get("quorate", False))


@control("clock-skew")
def _clock_skew(world: World, step: dict[str, Any]) -> None:
    for node in [node_of(world, step)] if "node" in step else list(world.nodes.values()):
        node.clock_skew = float(step["seconds"])


@control("clock-zone")
def _clock_zone(world: World, step: dict[str, Any]) -> None:
    """The zone of a node: names of archives are in it."""
    for node in [node_of(world, step)] if "node" in step else list(world.nodes.values()):
        node.utc_offset = int(step["seconds"])


@control("vzdump-lock-held")
def _vzdump_lock_held(world: World, step: dict[str, Any]) -> None:
    """Somebody else's backup job holds the node's lock until `vzdump-lock-released`."""
    set_vzdump_holder(world, node_of(world, step), "elsewhere")


@control("vzdump-lock-released")
def _vzdump_lock_released(world: World, step: dict[str, Any]) -> None:
    node = node_of(world, step)
    if node.vzdump_holder == "elsewhere":
        set_vzdump_holder(world, node, None)


@control("task-lost")
def _task_lost(world: World, step: dict[str, Any]) -> None:
    """The log of a task, or of every ended one, has been rotated away."""
    for task in [task_of(world, step)] if "upid" in step else list(world.tasks.values()):
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
