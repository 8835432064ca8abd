"""Conditions of nodes, tasks and access rights."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..world import workers
from ..world.locks import set_vzdump_holder
from ..world.model import Node
from ..world.qemu import power_on
from ..world.state import Undo, World
from .registry import BadControl, Step, control
from .subjects import node_of, task_of

SOMEBODY = "elsewhere"
ON_NODE: dict[str, type] = {"node": str}


def _nodes(world: World, step: Step) -> list[Node]:
    """The node of a step, or all."""
    return [node_of(world, step)] if "node" in step else list(world.nodes.values())


def _set(nodes: list[Node], key: str, value: Any) -> Undo:
    before = [(node, getattr(node, key)) for node in nodes]
    for node in nodes:
        setattr(node, key, value)

    def undo() -> None:
        for node, old in before:
            setattr(node, key, old)

    return undo


@control("worker-killed", needs={"upid": str})
def _worker_killed(world: World, step: Step) -> None:
    workers.stop(world, task_of(world, step), "KILL")


@control("daemon-down", "daemon-up", may=ON_NODE)
def _daemon(world: World, step: Step) -> Undo:
    return _set(_nodes(world, step), "daemon", step["control"] == "daemon-up")


@control("node-offline", "node-online", may=ON_NODE)
def _node_offline(world: World, step: Step) -> Undo:
    node = node_of(world, step)
    on = [guest for guest in world.guests.values() if guest.node == node.name and guest.running]
    set_back = _set([node], "online", step["control"] == "node-online")
    if not node.online:
        _lose_power(world, node)

    def undo() -> None:
        set_back()
        for guest in on:
            if not guest.running and node.online:
                power_on(world, guest)

    return undo


def _lose_power(world: World, node: Node) -> None:
    """The tasks of a node die and its VMs are off."""
    for task in [one for one in world.tasks.values() if one.running and one.node == node.name]:
        workers.stop(world, task, "KILL")
    for guest in world.guests.values():
        if guest.node == node.name:
            guest.pid, guest.qmpstatus = None, "stopped"


@control("node-rebooted", may=ON_NODE)
def _node_rebooted(world: World, step: Step) -> None:
    """Tasks die, VMs are off, `backup` locks left over are cleared; `create` locks are not."""
    node = node_of(world, step)
    node.online = False
    _lose_power(world, node)
    node.online, node.booted = True, world.now()
    for guest in world.guests.values():
        if guest.node == node.name and guest.lock == "backup":
            del guest.config["lock"]


@control("quorum", may={"quorate": bool})
def _quorum(world: World, step: Step) -> Undo:
    before = world.quorum
    world.quorum = step.get("quorate", False)
    return partial(setattr, world, "quorum", before)


@control("clock-skew", needs={"seconds": float}, may=ON_NODE)
def _clock_skew(world: World, step: Step) -> Undo:
    return _set(_nodes(world, step), "clock_skew", step["seconds"])


@control("clock-zone", needs={"seconds": int}, may=ON_NODE)
def _clock_zone(world: World, step: Step) -> Undo:
    """The zone of a node: names of archives are in it."""
    return _set(_nodes(world, step), "utc_offset", step["seconds"])


@control("active-list-lags", needs={"seconds": float})
def _active_list_lags(world: World, step: Step) -> Undo:
    """Tasks that have ended stay in the list of active ones for a while, with their status."""
    before = world.active_lag
    world.active_lag = step["seconds"]
    return partial(setattr, world, "active_lag", before)


@control("clock-advanced", needs={"seconds": float})
def _clock_advanced(world: World, step: Step) -> None:
    """Let time pass: a virtual clock moves, the real one is waited for."""
    world.clock.advance(step["seconds"])


@control("vzdump-lock-held", may=ON_NODE)
def _vzdump_lock_held(world: World, step: Step) -> Undo:
    """Somebody else's backup job holds the node's lock until `vzdump-lock-released`."""
    node = node_of(world, step)
    set_vzdump_holder(world, node, SOMEBODY)
    return partial(_release_vzdump_lock, world, node)


@control("vzdump-lock-released", may=ON_NODE)
def _vzdump_lock_released(world: World, step: Step) -> None:
    _release_vzdump_lock(world, node_of(world, step))


def _release_vzdump_lock(world: World, node: Node) -> None:
    if node.vzdump_holder == SOMEBODY:
        set_vzdump_holder(world, node, None)


@control("task-lost", may={"upid": str})
def _task_lost(world: World, step: Step) -> Undo:
    """The log of a task, or of every ended one, has been rotated away."""
    found = [task_of(world, step)] if "upid" in step else [one for one in world.tasks.values() if not one.running]
    lost = [task for task in found if not task.lost]
    for task in lost:
        task.lost = True

    def undo() -> None:
        for task in lost:
            task.lost = False

    return undo


@control("token-revoked", "token-restored", needs={"token": str})
def _token_revoked(world: World, step: Step) -> Undo:
    if step["token"] not in world.tokens:
        raise BadControl(f"There is no token {step['token']!r}.")
    token = world.tokens[step["token"]]
    before = token.revoked
    token.revoked = step["control"] == "token-revoked"
    return partial(setattr, token, "revoked", before)


@control(
    "acl",
    needs={"path": str, "user": str, "role": str},
    may={"privileges": list, "propagate": int, "delete": bool},
)
def _acl(world: World, step: Step) -> Undo:
    """Grant `role` to `user` (a user, a full token id or @group) on `path`, or take it with `delete`."""
    acl, roles = world.acl, dict(world.roles)
    entry = {"path": step["path"], "ugid": step["user"], "roleid": step["role"]}
    entry["type"] = "token" if "!" in step["user"] else "group" if step["user"].startswith("@") else "user"
    world.acl = [one for one in world.acl if any(one[key] != entry[key] for key in ("path", "ugid", "roleid"))]
    if "privileges" in step:
        world.roles[step["role"]] = frozenset(step["privileges"])
    if not step.get("delete"):
        world.acl.append({**entry, "propagate": int(step.get("propagate", 1))})

    def undo() -> None:
        world.acl, world.roles = acl, roles

    return undo
