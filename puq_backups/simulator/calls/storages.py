"""Storages: configuration, status, and which a node has."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, failed
from ..http.router import Call, needs, needs_any, route
from ..schema.formats import split_list
from ..world import access
from ..world.model import Storage
from ..world.state import World
from ..world.storages import is_enabled, take_time, usage
from ..world.volumes import FILE_TYPES

SEEN_BY = ("Datastore.Audit", "Datastore.AllocateSpace")
ANY_OF_STORAGE = needs_any("/storage/{storage}", *SEEN_BY)


def _described(world: World, storage: Storage, node: str) -> dict[str, Any]:
    """What is known of a storage on a node; it is activated if it is enabled there."""
    enabled = is_enabled(storage, node)
    if enabled:
        take_time(world, storage)
    active = enabled and not storage.is_offline(node)
    total, used, avail = usage(world, storage, node) if active else (0, 0, 0)
    return {
        "type": storage.type,
        "content": ",".join(storage.content),
        "enabled": int(enabled),
        "active": int(active),
        "shared": int(storage.shared),
        "total": perl_number(total),
        "used": perl_number(used),
        "avail": perl_number(avail),
    }


def perl_number(value: int) -> int | float:
    """A number as Perl writes it: past 64 bits with sign it has 15 digits and an exponent."""
    return value if value < 2**63 else float(f"{value:.15g}")


@route("GET", "/nodes/{node}/storage")
def storage_list(call: Call) -> Any:
    """The storages of a node that the caller may see, each activated."""
    world, params = call.world, call.params
    contents = set(split_list(str(params["content"]))) if "content" in params else None
    wanted = [one for one in world.storages.values() if contents is None or _holds(one, contents, call.node)]
    if "storage" in params and not any(one.storage == params["storage"] for one in wanted):
        raise bad_parameters({"storage": "No such storage."})
    found = []
    for storage in wanted:
        if not set(SEEN_BY) & set(access.privileges(world, call.caller, f"/storage/{storage.storage}")):
            continue
        if params.get("storage") not in (None, storage.storage) or _is_left_out(call, storage):
            continue
        item = {"storage": storage.storage, **_described(world, storage, call.node)}
        if item["total"]:
            item["used_fraction"] = item["used"] / item["total"]
        found.append(item | (_formats(call, storage) if params.get("format") and item["enabled"] else {}))
    return found


def _holds(storage: Storage, contents: set[str], node: str) -> bool:
    """Whether a storage is enabled and holds one of these kinds of content."""
    return bool(contents & set(storage.content)) and is_enabled(storage, node)


def _is_left_out(call: Call, storage: Storage) -> bool:
    if call.params.get("enabled") and storage.disabled:
        return True
    target = call.params.get("target")
    if target in (None, "localhost", call.node):
        return False
    nodes = storage.nodes or (call.node, str(target))
    return not storage.shared or call.node not in nodes or target not in nodes


def _formats(call: Call, storage: Storage) -> dict[str, Any]:
    """The image formats of a storage, in the old form and since 9 in the new one too."""
    supported = ["qcow2", "raw", "vmdk"] if storage.type in FILE_TYPES else ["raw"]
    old = {"format": [dict.fromkeys(supported, 1), "raw"]}
    new = {"formats": {"supported": supported, "default": "raw"}} if call.world.is_9 else {}
    return old | new


@route("GET", "/nodes/{node}/storage/{storage}/status", ANY_OF_STORAGE)
def storage_status(call: Call) -> Any:
    """One storage: what it is and how full."""
    storage = call.world.storages.get(call.params["storage"])
    if storage is None:
        raise bad_parameters({"storage": "No such storage."})
    return _described(call.world, storage, call.node)


def _configuration(storage: Storage) -> dict[str, Any]:
    found: dict[str, Any] = {
        "storage": storage.storage,
        "type": storage.type,
        "content": ",".join(storage.content),
        "shared": int(storage.shared),
    }
    if storage.type in FILE_TYPES:
        found["path"] = storage.path
    if storage.type == "pbs":
        found |= {"server": storage.server, "datastore": storage.datastore, "username": storage.username}
        more = {"namespace": storage.namespace, "encryption-key": storage.encryption_key}
        found |= {key: value for key, value in more.items() if value is not None}
    optional = {"prune-backups": storage.prune, "max-protected-backups": storage.max_protected}
    found |= {key: value for key, value in optional.items() if value is not None}
    if storage.nodes:
        found["nodes"] = ",".join(storage.nodes)
    if storage.disabled:
        found["disable"] = 1
    return found


@route("GET", "/storage", protected=False)
def configurations(call: Call) -> Any:
    """storage.cfg, as far as the caller may see it."""
    return [
        _configuration(storage)
        for storage in call.world.storages.values()
        if {"Datastore.Audit", "Datastore.Allocate", "Datastore.AllocateSpace"}
        & set(access.privileges(call.world, call.caller, f"/storage/{storage.storage}"))
        and call.params.get("type") in (None, storage.type)
    ]


@route("GET", "/storage/{storage}", needs("/storage/{storage}", "Datastore.Allocate"), protected=False)
def configuration(call: Call) -> Any:
    """One storage's entry in storage.cfg."""
    storage = call.world.storages.get(call.params["storage"])
    if storage is None:
        raise failed(f"storage '{call.params['storage']}' does not exist")
    return _configuration(storage)


@route("GET", "/nodes/{node}/storage/{storage}", ANY_OF_STORAGE, protected=False)
def storage_index(_call: Call) -> Any:
    """What lies below a storage."""
    return [{"subdir": name} for name in ("content", "prunebackups", "status")]
