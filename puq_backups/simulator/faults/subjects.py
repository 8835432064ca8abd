"""The guest, node, storage, task or volume that a control step names. Raises BadControl where there is none."""

from __future__ import annotations

from typing import Any

from ..world.model import Guest, Node, Storage
from ..world.state import World
from ..world.task import Task
from ..world.volumes import Volume
from .registry import BadControl


def guest_of(world: World, step: dict[str, Any]) -> Guest:
    found = world.guests.get(int(step["vmid"]))
    if found is None:
        raise BadControl(f"There is no VM {step['vmid']}.")
    return found


def node_of(world: World, step: dict[str, Any]) -> Node:
    name = step.get("node", next(iter(world.nodes)))
    if name not in world.nodes:
        raise BadControl(f"There is no node {name!r}.")
    return world.nodes[name]


def storage_of(world: World, step: dict[str, Any]) -> Storage:
    found = world.storages.get(step["storage"])
    if found is None:
        raise BadControl(f"There is no storage {step['storage']!r}.")
    return found


def task_of(world: World, step: dict[str, Any]) -> Task:
    found = world.tasks.get(step["upid"])
    if found is None:
        raise BadControl(f"There is no task {step['upid']!r}.")
    return found


def volume_of(world: World, step: dict[str, Any]) -> Volume:
    storage, _, name = str(step["volid"]).partition(":")
    for volume in world.volumes.of_storage(storage):
        if volume.name == name:
            return volume
    raise BadControl(f"There is no volume {step['volid']!r}.")
