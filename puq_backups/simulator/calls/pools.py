"""Pools and their members."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, needs, route
from ..schema.formats import split_list
from ..world import access
from .cluster import vm_resource


@route("GET", "/pools", protected=False)
def pools(call: Call) -> Any:
    """The pools that the caller may see."""
    return [
        {"poolid": name}
        for name in call.world.pools
        if access.may(call.world, call.caller, f"/pool/{name}", "Pool.Audit")
    ]


@route("GET", "/pools/{poolid}", needs("/pool/{poolid}", "Pool.Audit"), protected=False)
def pool(call: Call) -> Any:
    """A pool's members."""
    name = call.params["poolid"]
    if name not in call.world.pools:
        raise failed(f"pool '{name}' does not exist")
    members = [vm_resource(call.world, vmid) for vmid in sorted(call.world.pools[name])]
    for member in members:  # what cluster/resources reads from the configuration is not here
        member.pop("tags", None)
        member.pop("lock", None)
    return {"poolid": name, "members": members}


def _change(call: Call, name: str) -> None:
    """Put VMs and storages into a pool or take them out. A VM is in one pool at most."""
    world, params = call.world, call.params
    access.demand(world, call.caller, f"/pool/{name}", "Pool.Allocate")
    if name not in world.pools:
        raise failed(f"pool '{name}' does not exist")
    vmids = [int(one) for one in split_list(str(params.get("vms", "")))]
    storages = set(split_list(str(params.get("storage", ""))))
    for vmid in vmids:
        access.demand(world, call.caller, f"/vms/{vmid}", "VM.Allocate")
        _move(call, name, vmid)
    known = world.pool_storages.setdefault(name, set())
    world.pool_storages[name] = known - storages if params.get("delete") else known | storages
    world.rights_changed()


def _move(call: Call, name: str, vmid: int) -> None:
    world, there = call.world, call.world.pools[name]
    other = next((pool for pool, members in world.pools.items() if vmid in members and pool != name), None)
    if call.params.get("delete"):
        if vmid not in there:
            raise failed(f"VM {vmid} is not a pool member")
        there.discard(vmid)
        return
    if vmid in there:
        raise failed(f"VM {vmid} is already a pool member")
    if other is not None and not call.params.get("allow-move"):
        raise failed(f"VM {vmid} belongs already to pool '{other}' and 'allow-move' is not set")
    if other is not None:
        world.pools[other].discard(vmid)
    there.add(vmid)


@route("PUT", "/pools")
def update_pool(call: Call) -> Any:
    """Change the members of a pool."""
    _change(call, str(call.params["poolid"]))


@route("PUT", "/pools/{poolid}")
def update_pool_by_path(call: Call) -> Any:
    """The same, in the older form."""
    _change(call, str(call.params["poolid"]))


@route("POST", "/pools", needs("/pool/{poolid}", "Pool.Allocate"))
def add_pool(call: Call) -> Any:
    """Make an empty pool."""
    name = str(call.params["poolid"])
    if name in call.world.pools:
        raise failed(f"create pool failed: pool '{name}' already exists")
    call.world.pools[name] = set()


def _remove(call: Call) -> None:
    world, name = call.world, str(call.params["poolid"])
    access.demand(world, call.caller, f"/pool/{name}", "Pool.Allocate")
    if name not in world.pools:
        raise failed(f"delete pool failed: pool '{name}' does not exist")
    if world.pools[name] or world.pool_storages.get(name):
        what = f"VMID {min(world.pools[name])}" if world.pools[name] else "storage"
        raise failed(f"delete pool failed: pool '{name}' is not empty (contains {what})")
    del world.pools[name]
    world.rights_changed()


@route("DELETE", "/pools")
def remove_pool(call: Call) -> Any:
    """Remove an empty pool."""
    _remove(call)


@route("DELETE", "/pools/{poolid}")
def remove_pool_by_path(call: Call) -> Any:
    """The same, in the older form."""
    _remove(call)
