"""The cluster as a whole: version, nodes, resources, pools, permissions."""

from __future__ import annotations

from typing import Any

from . import access
from .answers import bad_parameters, failed, forbidden
from .router import Call, needs, route
from .schema import BOOLEAN, NODE, Param
from .state import DISK_TOTAL, Guest, Node, World
from .status import summary
from .storage import usage

MEMORY_TOTAL = 25_276_510_208


@route("GET", "/version", protected=False)
def version(call: Call) -> Any:
    """The version of the API."""
    return dict(call.world.version)


@route("GET", "/nodes", protected=False)
def nodes(call: Call) -> Any:
    """The nodes with what they use."""
    return [_node_summary(call.world, node) for node in call.world.nodes.values()]


def _node_summary(world: World, node: Node) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"node/{node.name}",
        "node": node.name,
        "type": "node",
        "status": "online" if node.online else "offline",
        "ssl_fingerprint": world.fingerprint,
    }
    if not node.online:
        return found
    if not node.daemon and not world.is_9:
        return found | {"status": "unknown"}
    return found | {
        "level": "",
        "cpu": 0.05,
        "maxcpu": 2,
        "mem": 1_150_504_960,
        "maxmem": MEMORY_TOTAL,
        "disk": 31_256_735_744,
        "maxdisk": DISK_TOTAL,
        "uptime": int(world.now() - node.booted),
    }


@route("GET", "/nodes/{node}/time", {"node": NODE}, needs("/nodes/{node}", "Sys.Audit"))
def node_time(call: Call) -> Any:
    """The node's clock and zone."""
    now = int(call.world.now(call.node))
    offset = call.world.nodes[call.node].utc_offset
    zone = f"Etc/GMT{-offset // 3600:+d}" if offset else "UTC"
    return {"time": now, "localtime": now + offset, "timezone": zone}


@route("GET", "/nodes/{node}/status", {"node": NODE}, needs("/nodes/{node}", "Sys.Audit"))
def node_status(call: Call) -> Any:
    """Load and memory of a node."""
    world, node = call.world, call.world.nodes[call.node]
    return {
        "uptime": int(world.now() - node.booted),
        "cpu": 0.05,
        "loadavg": ["0.10", "0.08", "0.05"],
        "memory": {"total": MEMORY_TOTAL, "used": 1_150_504_960, "free": MEMORY_TOTAL - 1_150_504_960},
        "rootfs": {"total": DISK_TOTAL, "used": 31_256_735_744, "avail": DISK_TOTAL - 31_256_735_744},
        "pveversion": f"pve-manager/{world.version['version']}/{world.version['repoid']}",
    }


@route("GET", "/nodes/{node}/version", {"node": NODE})
def node_version(call: Call) -> Any:
    """The version of a node."""
    return dict(call.world.version)


@route("GET", "/nodes/{node}/network", {"node": NODE, "type": Param()}, protected=False)
def network(call: Call) -> Any:
    """The bridges of a node."""
    return [
        {"iface": name, "type": "bridge", "active": 1, "autostart": 1, "method": "manual"}
        for name in call.world.nodes[call.node].bridges
        if access.may(call.world, call.caller, f"/sdn/zones/localnetwork/{name}", "SDN.Use")
        or access.may(call.world, call.caller, f"/nodes/{call.node}", "Sys.Audit")
    ]


@route("GET", "/cluster/status", permission=needs("/", "Sys.Audit"), protected=False)
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
        head = {"id": "cluster", "type": "cluster", "name": "simulated", "version": 1}
        found.insert(0, {**head, "nodes": len(world.nodes), "quorate": int(world.quorum)})
    return found


@route(
    "GET",
    "/cluster/resources",
    {"type": Param(enum=("vm", "storage", "node", "sdn"))},
    protected=False,
)
def resources(call: Call) -> Any:
    """VMs, storages and nodes that the caller may see, with figures that may be up to 10 s old."""
    wanted = call.params.get("type")
    found: list[dict[str, Any]] = []
    if wanted in (None, "node"):
        found += [_node_resource(call.world, node) for node in call.world.nodes.values()]
    if wanted in (None, "vm"):
        found += _vm_resources(call)
    if wanted in (None, "storage"):
        found += _storage_resources(call)
    return found


def _node_resource(world: World, node: Node) -> dict[str, Any]:
    found = _node_summary(world, node)
    found.pop("ssl_fingerprint")
    return found


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
        granted = access.privileges(world, call.caller, path)
        if not {"Datastore.Audit", "Datastore.AllocateSpace", "Datastore.Allocate"} & set(granted):
            continue
        for node in world.nodes.values():
            if storage.nodes and node.name not in storage.nodes:
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
            if node.online and not storage.is_offline(node.name) and not storage.disabled:
                total, used, _avail = usage(world, storage, node.name)
                item |= {"status": "available", "disk": used, "maxdisk": total}
            found.append(item)
    return found


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


@route("GET", "/access/permissions", {"path": Param(), "userid": Param()}, protected=False)
def permissions(call: Call) -> Any:
    """The caller's own privileges, on all paths or on one."""
    userid = call.params.get("userid")
    if userid not in (None, call.caller.id, call.caller.user):
        raise forbidden("/access", "Sys.Audit")
    path = call.params.get("path")
    if path is None:
        return access.effective(call.world, call.caller)
    if not path.startswith("/"):
        raise bad_parameters({"path": f"'{path}' is not a valid ACL path"})
    return {path: access.privileges(call.world, call.caller, path)}


@route(
    "GET",
    "/cluster/nextid",
    {"vmid": Param("integer", minimum=100)},
    protected=False,
)
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


HA_STATES = ("started", "stopped", "enabled", "disabled", "ignored")
HA_OPTIONS = {
    "comment": Param(),
    "failback": BOOLEAN,
    "group": Param(),
    "max_relocate": Param("integer", minimum=0),
    "max_restart": Param("integer", minimum=0),
}


def _ha_vmid(call: Call) -> int:
    return int(str(call.params["sid"]).removeprefix("vm:"))


def _ha_entry(guest: Guest) -> dict[str, Any]:
    found = {"sid": f"vm:{guest.vmid}", "type": "vm", "state": guest.ha, **guest.ha_options}
    return {**found, "digest": guest.digest()}


@route("GET", "/cluster/ha/resources", permission=needs("/", "Sys.Audit"), protected=False)
def ha_resources(call: Call) -> Any:
    """The VMs under HA."""
    return [_ha_entry(guest) for guest in call.world.guests.values() if guest.ha]


@route("GET", "/cluster/ha/resources/{sid}", permission=needs("/", "Sys.Audit"), protected=False)
def ha_resource(call: Call) -> Any:
    """One VM under HA."""
    guest = call.world.guests.get(_ha_vmid(call))
    if guest is None or not guest.ha:
        raise failed(f"no such resource '{call.params['sid']}'")
    return _ha_entry(guest)


@route(
    "POST",
    "/cluster/ha/resources",
    {"sid": Param(optional=False), "state": Param(enum=HA_STATES), **HA_OPTIONS},
    needs("/", "Sys.Console"),
)
def add_ha_resource(call: Call) -> Any:
    """Put a VM under HA."""
    guest = call.world.guests.get(_ha_vmid(call))
    if guest is None:
        raise failed(f"unable to add resource: VM {_ha_vmid(call)} does not exist")
    if guest.ha:
        raise failed(f"resource ID 'vm:{guest.vmid}' already defined")
    guest.ha = str(call.params.get("state", "started"))
    guest.ha_options = {key: call.params[key] for key in HA_OPTIONS if key in call.params}


@route("DELETE", "/cluster/ha/resources/{sid}", {"purge": BOOLEAN}, needs("/", "Sys.Console"))
def remove_ha_resource(call: Call) -> Any:
    """Take a VM out of HA."""
    if "purge" in call.params and not call.world.is_9:
        raise bad_parameters(
            {"purge": "property is not defined in schema and the schema does not allow additional properties"}
        )
    guest = call.world.guests.get(_ha_vmid(call))
    if guest is None or not guest.ha:
        raise failed(f"cannot delete service '{call.params['sid']}', not HA managed!")
    guest.ha, guest.ha_options = None, {}
