"""Nodes: list, clock, status, version, bridges."""

from __future__ import annotations

from typing import Any

from ..http.router import Call, needs, route
from ..world import access
from ..world.model import Caller, Node
from ..world.state import World
from ..world.storages import DISK_TOTAL

BRIDGE = {
    "autostart": 1,
    "bridge_fd": "0",
    "bridge_ports": "",
    "bridge_stp": "off",
    "families": ["inet"],
    "method": "manual",
    "method6": "manual",
}
"""A bridge without address and port."""

MEMORY_USED = 1_150_504_960
ROOT_USED = 31_256_735_744
CPU_INFO = {"model": "simulated", "sockets": 1, "mhz": "2400.000", "hvm": "1", "flags": "vmx", "user_hz": 100}


@route("GET", "/version", protected=False)
def version(call: Call) -> Any:
    """The version of the API."""
    return dict(call.world.version)


@route("GET", "/nodes", protected=False)
def nodes(call: Call) -> Any:
    """The nodes; what they use only for those who may audit them."""
    found = []
    for node in call.world.nodes.values():
        item = node_summary(call, node)
        found.append(item | {"ssl_fingerprint": call.world.fingerprint})
    return found


@route("GET", "/nodes/{node}", protected=False)
def node_index(_call: Call) -> Any:
    """What lies below a node."""
    return [{"name": name} for name in ("network", "qemu", "status", "storage", "tasks", "time", "version", "vzdump")]


def node_summary(call: Call, node: Node) -> dict[str, Any]:
    """A node as lists show it, with its figures for those who may audit it."""
    world = call.world
    head = {"id": f"node/{node.name}", "node": node.name, "type": "node"}
    if not node.online:
        return head | {"status": "offline"}
    if not world.node_statistics:
        return head | {"status": "unknown"}
    found = head | {"status": "online", "level": ""}
    if not access.may(world, call.caller, f"/nodes/{node.name}", "Sys.Audit"):
        return found
    return found | {
        "cpu": 0.05,
        "maxcpu": node.cpus,
        "mem": MEMORY_USED,
        "maxmem": node.memory,
        "disk": ROOT_USED,
        "maxdisk": DISK_TOTAL,
        "uptime": int(world.now() - node.booted),
    }


@route("GET", "/nodes/{node}/time", needs("/nodes/{node}", "Sys.Audit"))
def node_time(call: Call) -> Any:
    """The node's clock and zone."""
    now = int(call.world.now(call.node))
    offset = call.world.nodes[call.node].utc_offset
    zone = f"Etc/GMT{-offset // 3600:+d}" if offset else "UTC"
    return {"time": now, "localtime": now + offset, "timezone": zone}


@route("GET", "/nodes/{node}/status", needs("/nodes/{node}", "Sys.Audit"))
def node_status(call: Call) -> Any:
    """Load and memory of a node."""
    world, node = call.world, call.world.nodes[call.node]
    free = node.memory - MEMORY_USED
    available = {"available": free} if world.is_9 else {}
    disk_free = DISK_TOTAL - ROOT_USED
    return {
        "uptime": int(world.now() - node.booted),
        "idle": 0,
        "cpu": 0.05,
        "wait": 0,
        "loadavg": ["0.10", "0.08", "0.05"],
        "cpuinfo": {**CPU_INFO, "cpus": node.cpus, "cores": node.cpus},
        "memory": {"total": node.memory, "used": MEMORY_USED, "free": free, **available},
        "swap": {"total": 0, "used": 0, "free": 0},
        "ksm": {"shared": 0},
        "rootfs": {"total": DISK_TOTAL, "used": ROOT_USED, "avail": disk_free, "free": disk_free},
        "kversion": "Linux 6.8.12-1-pve #1 SMP",
        "current-kernel": {"sysname": "Linux", "release": "6.8.12-1-pve", "version": "#1 SMP", "machine": "x86_64"},
        "boot-info": {"mode": "legacy-bios"},
        "pveversion": f"pve-manager/{world.version['version']}/{world.version['repoid']}",
    }


@route("GET", "/nodes/{node}/version")
def node_version(call: Call) -> Any:
    """The version of a node."""
    return dict(call.world.version)


@route("GET", "/nodes/{node}/network", protected=False)
def network(call: Call) -> Any:
    """The interfaces of a node: bridges that the caller may see or use."""
    world, kind = call.world, call.params.get("type")
    if kind not in (None, "bridge", "any_bridge", "any_local_bridge"):
        return []
    found = []
    for position, name in enumerate(world.nodes[call.node].bridges):
        if not may_use_bridge(world, call.caller, name, "SDN.Audit", "SDN.Use"):
            continue
        aware = {"bridge_vlan_aware": 1} if name in world.vlan_aware else {}
        found.append({"iface": name, "type": "bridge", "priority": position + 3, **aware, **BRIDGE})
    return found


def may_use_bridge(world: World, caller: Caller, name: str, *privileges: str) -> bool:
    """Whether the caller has one of these privileges on a bridge or on one of its VLANs."""
    path = f"/sdn/zones/localnetwork/{name}"
    below = [str(entry["path"]) for entry in world.acl if str(entry["path"]).startswith(f"{path}/")]
    return any(set(privileges) & set(access.privileges(world, caller, one)) for one in (path, *below))
