"""The cluster as a whole: status, resources, free VMIDs."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters
from ..http.router import Call, needs, route
from ..world import access
from ..world.state import World
from ..world.storages import is_enabled, usage
from .nodes import node_summary
from .status import summary


@route("GET", "/cluster/status", needs("/", "Sys.Audit"), protected=False)
def cluster_status(call: Call) -> Any:
    """Members and quorum."""
    world = call.world
    found: list[dict[str, Any]] = [
        {
            "id": f"node/{node.name}",
            "type": "node",
            "name": node.name,
            "online": int(node.online),
            "nodeid": position,
            "local": int(position == 1),
            "ip": f"192.0.2.{position}",
            "level": "",
        }
        for position, node in enumerate(world.nodes.values(), 1)
    ]
    if len(world.nodes) > 1:
        head = {"id": "cluster", "type": "cluster", "name": world.cluster_name, "version": 1}
        found.insert(0, {**head, "nodes": len(world.nodes), "quorate": int(world.quorum)})
    return found


@route("GET", "/cluster/resources", protected=False)
def resources(call: Call) -> Any:
    """VMs, storages and nodes that the caller may see, with figures that may be up to 10 s old."""
    wanted = call.params.get("type")
    found: list[dict[str, Any]] = []
    if wanted is None:
        found += _pool_resources(call)
        found += _zone_resources(call)
    if wanted in (None, "node"):
        mode = {"cgroup-mode": 1} if call.world.node_statistics else {}
        found += [node_summary(call, node) | mode for node in call.world.nodes.values()]
    if wanted in (None, "vm"):
        found += _vm_resources(call)
    if wanted in (None, "storage"):
        found += _storage_resources(call)
    return found


def _pool_resources(call: Call) -> list[dict[str, Any]]:
    """The pools, with the sums of their running VMs."""
    world = call.world
    found = []
    for name in sorted(world.pools):
        if not access.may(world, call.caller, f"/pool/{name}", "Pool.Audit"):
            continue
        item: dict[str, Any] = {"id": f"/pool/{name}", "pool": name, "type": "pool"}
        running = [vm_resource(world, vmid) for vmid in world.pools[name] if world.guests[vmid].running]
        if running:
            item |= {key: sum(one.get(key, 0) for one in running) for key in ("mem", "maxmem", "maxcpu")}
            item |= {"uptime": max(one.get("uptime", 0) for one in running), "cpu": 0}
        found.append(item)
    return found


def _zone_resources(call: Call) -> list[dict[str, Any]]:
    """The zone of the bridges that are not managed, on each node; PVE 9 lists it."""
    may = access.may(call.world, call.caller, "/sdn/zones/localnetwork", "SDN.Audit")
    head = {"type": "network", "network-type": "zone", "network": "localnetwork", "status": "ok"}
    return [
        {"id": f"network/{node}/zone/localnetwork", "node": node, **head}
        for node in call.world.nodes
        if may and call.world.is_9
    ]


def _vm_resources(call: Call) -> list[dict[str, Any]]:
    world = call.world
    pools = {vmid: name for name, members in world.pools.items() for vmid in members}
    found = []
    for guest in list(world.guests.values()):
        if not access.may(world, call.caller, f"/vms/{guest.vmid}", "VM.Audit"):
            continue
        item = vm_resource(world, guest.vmid)
        pool = pools.get(guest.vmid)
        if pool and access.may(world, call.caller, f"/pool/{pool}", "Pool.Audit"):
            item["pool"] = pool
        found.append(item)
    return found


def vm_resource(world: World, vmid: int) -> dict[str, Any]:
    """A VM as cluster/resources and pools list it."""
    guest = world.guests[vmid]
    alive = world.nodes[guest.node].online
    base = {"id": f"qemu/{vmid}", "vmid": vmid, "type": "qemu", "node": guest.node}
    short = summary(world, guest)
    kept = {key: short[key] for key in ("name", "lock", "tags") if key in short}
    if not alive:
        return base | kept | {"status": "unknown"}
    measures = ("uptime", "mem", "maxmem", "disk", "maxdisk", "cpu", "netin", "netout")
    found = base | kept | {key: short[key] for key in measures}
    found |= {"maxcpu": short["cpus"], "template": int(guest.is_template), "diskread": 0, "diskwrite": 0}
    found["status"], found["name"] = world.last_heard(guest)
    if world.is_9:
        found["memhost"] = 0
    if guest.ha:
        found["hastate"] = guest.ha
    return found


def _storage_resources(call: Call) -> list[dict[str, Any]]:
    world = call.world
    found = []
    for storage in world.storages.values():
        path = f"/storage/{storage.storage}"
        if not access.may(world, call.caller, path, "Datastore.Audit"):
            continue
        for node in world.nodes.values():
            if not is_enabled(storage, node.name):
                continue
            item: dict[str, Any] = {
                "id": f"storage/{node.name}/{storage.storage}",
                "type": "storage",
                "storage": storage.storage,
                "node": node.name,
                "plugintype": storage.type,
                "content": ",".join(storage.content),
                "shared": int(storage.shared),
                "status": "unknown",
            }
            if node.online and not storage.is_offline(node.name):
                total, used, _avail = usage(world, storage, node.name)
                item |= {"status": "available", "disk": used, "maxdisk": total}
            found.append(item)
    return found


@route("GET", "/cluster/nextid", protected=False)
def next_id(call: Call) -> Any:
    """A free VMID."""
    wanted = call.params.get("vmid")
    if wanted is not None:
        if wanted in call.world.guests:
            raise bad_parameters({"vmid": f"VM {wanted} already exists"})
        return str(wanted)
    free = 100
    while free in call.world.guests:
        free += 1
    return str(free)


@route("GET", "/cluster", protected=False)
def index(_call: Call) -> Any:
    """What lies below the cluster."""
    return [{"name": name} for name in ("ha", "nextid", "resources", "status", "tasks")]
