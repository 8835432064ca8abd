"""The guest, node, storage, task or volume that a control step names. Raises BadControl where there is none."""

from __future__ import annotations

from typing import Any

from ..world.model import Guest, Node, Storage
from ..world.state import World
from ..world.task import Task
from ..world.volumes import Volume
from .registry import BadControl


def guest_of(world: World, step: dict[str, Any]) -> Guest:
    """The guest with its `vmid`."""
    found = world.guests.get(int(step["vmid"]))
    if found is None:
        raise BadControl(f"There is no VM {step['vmid']}.")
    return found


def node_of(world: World, step: dict[str, Any]) -> Node:
    """The node with its `node`, the first without one."""
    name = step.get("node", next(iter(world.nodes)))
    if name not in world.nodes:
        raise BadControl(f"There is no node {name!r}.")
    return world.nodes[name]


def storage_of(world: World, step: dict[str, Any]) -> Storage:
    """The storage with its `storage`."""
    found = world.storages.get(step["storage"])
    if found is None:
        raise BadControl(f"There is no storage {step['storage']!r}.")
    return found


def task_of(world: World, step: dict[str, Any]) -> Task:
    """The task with its `upid`."""
    found = world.tasks.get(step["upid"])
    if found is None:
        raise BadControl(f"There is no task {step['upid']!r}.")
    return found


def volume_of(world: World, step: dict[str, Any]) -> Volume:
    """The volume with its `volid`."""
    storage, _, name = str(step["volid"]).partition(":")
    for volume in world.volumes.of_storage(storage):
        if volume.name == name:
            return volume
    raise BadControl(f"There is no volume {step['volid']!r}.")
