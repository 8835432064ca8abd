"""Pools and their members."""

from __future__ import annotations

from typing import Any

from ..answers import failed
from ..http.router import Call, needs, route
from ..schema.parameters import BOOLEAN, Param
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


@route(
    "GET",
    "/pools/{poolid}",
    {"type": Param(enum=("qemu", "lxc", "storage"))},
    needs("/pool/{poolid}", "Pool.Audit"),
    protected=False,
)
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


@route(
    "PUT",
    "/pools",
    {"poolid": Param(optional=False), "vms": Param(), "delete": BOOLEAN, "allow-move": BOOLEAN},
)
def update_pool(call: Call) -> Any:
    """Put VMs into a pool or take them out."""
    world, name = call.world, call.params["poolid"]
    access.demand(world, call.caller, f"/pool/{name}", "Pool.Allocate")
    if name not in world.pools:
        raise failed(f"pool '{name}' does not exist")
    for vmid in [int(one) for one in str(call.params.get("vms", "")).split(",") if one]:
        if call.params.get("delete"):
            world.pools[name].discard(vmid)
        else:
            world.pools[name].add(vmid)
    world.rights_changed()
