"""Storages: configuration, status, and which a node has."""

from __future__ import annotations

import re
from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, needs_any, route
from ..schema.parameters import BOOLEAN, NODE, STORAGE, STORAGE_IN_PATH, Param, vmid_format
from ..world import access
from ..world.model import Storage
from ..world.state import World
from ..world.storages import usage
from ..world.volumes import FILE_TYPES

SEEN_BY = ("Datastore.Audit", "Datastore.AllocateSpace")
ANY_OF_STORAGE = needs_any("/storage/{storage}", *SEEN_BY)
VMID_FILTER = Param("integer", format=vmid_format, minimum=100)


def _described(world: World, storage: Storage, node: str) -> dict[str, Any]:
    active = not storage.is_offline(node) and not storage.disabled
    total, used, avail = usage(world, storage, node) if active else (0, 0, 0)
    return {
        "type": storage.type,
        "content": ",".join(storage.content),
        "enabled": int(not storage.disabled),
        "active": int(active),
        "shared": int(storage.shared),
        "total": total,
        "used": used,
        "avail": avail,
    }


@route(
    "GET",
    "/nodes/{node}/storage",
    {
        "node": NODE,
        "storage": STORAGE,
        "content": Param(),
        "enabled": BOOLEAN,
        "target": Param(),
        "format": BOOLEAN,
    },
)
def storage_list(call: Call) -> Any:
    """The storages of a node that the caller may see, each activated."""
    world, params = call.world, call.params
    contents = set(re.split(r"[,;\s]+", str(params["content"]))) if "content" in params else None
    found = []
    for storage in world.storages.values():
        granted = access.privileges(world, call.caller, f"/storage/{storage.storage}")
        if not {*SEEN_BY, "Datastore.Allocate"} & set(granted):
            continue
        if storage.nodes and call.node not in storage.nodes:
            continue
        if params.get("storage") not in (None, storage.storage) or (contents and not contents & set(storage.content)):
            continue
        if params.get("enabled") and storage.disabled:
            continue
        if storage.seconds:
            world.wait_for(lambda: False, world.as_told(storage.seconds))
        item = {"storage": storage.storage, **_described(world, storage, call.node)}
        if item["total"]:
            item["used_fraction"] = item["used"] / item["total"]
        found.append(item)
    return found


@route(
    "GET",
    "/nodes/{node}/storage/{storage}/status",
    {"node": NODE, "storage": STORAGE_IN_PATH},
    ANY_OF_STORAGE,
)
def storage_status(call: Call) -> Any:
    """One storage: what it is and how full."""
    world = call.world
    storage = world.storages.get(call.params["storage"])
    if storage is None or (storage.nodes and call.node not in storage.nodes):
        raise bad_parameters({"storage": "No such storage."})
    if storage.seconds:
        world.wait_for(lambda: False, world.as_told(storage.seconds))
    return _described(world, storage, call.node)


def _configuration(storage: Storage) -> dict[str, Any]:
    found: dict[str, Any] = {
        "storage": storage.storage,
        "type": storage.type,
        "content": ",".join(storage.content),
        "shared": int(storage.shared),
    }
    if storage.type in FILE_TYPES:
        found["path"] = storage.path
    optional = {"prune-backups": storage.prune, "max-protected-backups": storage.max_protected}
    found |= {key: value for key, value in optional.items() if value is not None}
    if storage.nodes:
        found["nodes"] = ",".join(storage.nodes)
    if storage.disabled:
        found["disable"] = 1
    return found


@route("GET", "/storage", {"type": Param()}, protected=False)
def configurations(call: Call) -> Any:
    """storage.cfg, as far as the caller may see it."""
    return [
        _configuration(storage)
        for storage in call.world.storages.values()
        if {"Datastore.Audit", "Datastore.Allocate", "Datastore.AllocateSpace"}
        & set(access.privileges(call.world, call.caller, f"/storage/{storage.storage}"))
        and call.params.get("type") in (None, storage.type)
    ]


@route(
    "GET",
    "/storage/{storage}",
    {"storage": STORAGE_IN_PATH},
    needs("/storage/{storage}", "Datastore.Allocate"),
    protected=False,
)
def configuration(call: Call) -> Any:
    """One storage's entry in storage.cfg."""
    storage = call.world.storages.get(call.params["storage"])
    if storage is None:
        raise failed(f"storage '{call.params['storage']}' does not exist")
    return _configuration(storage)
