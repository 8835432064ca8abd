"""Pruning of archives by retention rules."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, route
from ..world import access, retention
from ..world.model import Storage
from ..world.storages import activate, erase, known
from ..world.task import Task
from ..world.volumes import Volume
from .storages import ANY_OF_STORAGE


def _rules(call: Call, storage: Storage) -> dict[str, int]:
    if "backup" not in storage.content:
        raise failed(f"storage '{storage.storage}' does not support backups")
    text = call.params.get("prune-backups") or storage.prune
    if not text:
        raise failed(f"no prune-backups options configured for storage '{storage.storage}'")
    return retention.parse(str(text))


@route("GET", "/nodes/{node}/storage/{storage}/prunebackups", ANY_OF_STORAGE)
def prune_preview(call: Call) -> Any:
    """What pruning would do with each archive."""
    storage = known(call.world, call.params["storage"], call.node)
    rules = _rules(call, storage)
    activate(call.world, storage.storage, call.node)
    marked = retention.mark(_prunable(call, storage), rules)
    return [
        {
            "volid": volume.volid,
            "ctime": volume.ctime,
            "mark": mark,
            "type": volume.subtype,
            "vmid": volume.vmid,
        }
        for volume, mark in marked
    ]


def _prunable(call: Call, storage: Storage) -> list[Volume]:
    there = call.world.volumes.at(call.world.place(storage.storage, call.node), call.params.get("vmid"), "backup")
    return [one for one in there if call.params.get("type") in (None, one.subtype)]


@route("DELETE", "/nodes/{node}/storage/{storage}/prunebackups")
def prune(call: Call) -> Any:
    """Prune, as a task."""
    name, vmid, world = call.params["storage"], call.params.get("vmid"), call.world
    if vmid is None:
        access.demand(world, call.caller, f"/storage/{name}", "Datastore.Allocate")
    else:
        access.demand(world, call.caller, f"/storage/{name}", "Datastore.AllocateSpace")
        access.demand(world, call.caller, f"/vms/{vmid}", "VM.Backup")

    def work(task: Task) -> None:
        storage = known(world, name, call.node)
        rules = _rules(call, storage)
        activate(world, name, call.node)
        for volume, mark in retention.mark(_prunable(call, storage), rules):
            if mark == "remove":
                erase(world, storage, volume)
                task.log(f"removing backup '{volume.volid}'")

    return call.task("prunebackups", f"{vmid}@{name}" if vmid else name, work)
