"""Nodes: list, clock, status, version, bridges."""

from __future__ import annotations

from typing import Any

from ..http.router import Call, needs, route
from ..schema.parameters import NODE, Param
from ..world import access
from ..world.model import Node
from ..world.state import World
from ..world.storages import DISK_TOTAL

MEMORY_TOTAL = 25_276_510_208


@route("GET", "/version", protected=False)
def version(call: Call) -> Any:
    """The version of the API."""
    return dict(call.world.version)


@route("GET", "/nodes", protected=False)
def nodes(call: Call) -> Any:
    """The nodes with what they use."""
    return [node_summary(call.world, node) for node in call.world.nodes.values()]


def node_summary(world: World, node: Node) -> dict[str, Any]:
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
