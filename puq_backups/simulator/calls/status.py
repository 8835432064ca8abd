"""What a VM is doing: list of a node and status/current."""

from __future__ import annotations

import re
from typing import Any

from ..http.router import Call, needs, route
from ..schema.parameters import properties
from ..schema.property_strings import memory_mib
from ..world import access
from ..world.disks import boot_disk_size, drives, images
from ..world.model import Guest
from ..world.state import World
from ..world.volumes import FILE_TYPES, Volume

MIB = 1024**2
PRESSURES = tuple(f"pressure{what}{how}" for what in ("cpu", "io", "memory") for how in ("some", "full"))
BLOCK_COUNTERS = [
    "failed_flush_operations",
    "failed_rd_operations",
    "failed_unmap_operations",
    "failed_wr_operations",
    "flush_operations",
    "flush_total_time_ns",
    "idle_time_ns",
    "invalid_flush_operations",
    "invalid_rd_operations",
    "invalid_wr_operations",
    "rd_bytes",
    "rd_merged",
    "rd_operations",
    "rd_total_time_ns",
    "unmap_bytes",
    "unmap_operations",
    "wr_bytes",
    "wr_highest_offset",
    "wr_merged",
    "wr_operations",
    "wr_total_time_ns",
]
SUPPORT = {
    "pbs-dirty-bitmap": True,
    "pbs-dirty-bitmap-savevm": True,
    "pbs-dirty-bitmap-migration": True,
    "pbs-masterkey": True,
    "query-bitmap-info": True,
    "backup-max-workers": True,
    "backup-fleecing": True,
    "backup-access-api": True,
    "pbs-library-version": "1.5.1 (UNKNOWN)",
}


def agent_enabled(guest: Guest) -> bool:
    """Whether the agent option is on."""
    return properties(str(guest.config.get("agent", "0")), "enabled").get("enabled") == "1"


def summary(world: World, guest: Guest) -> dict[str, Any]:
    """A VM as GET /nodes/{node}/qemu lists it."""
    config = guest.config
    maxmem = memory_mib(config.get("memory", 512)) * MIB
    running = guest.running
    found: dict[str, Any] = {
        "vmid": guest.vmid,
        "name": guest.name,
        "status": guest.status,
        "cpus": _processors(world, guest),
        "maxmem": maxmem,
        "maxdisk": boot_disk_size(config),
        "cpu": 0,
        "mem": maxmem // 2 if running else 0,
        "disk": 0,
        "uptime": int(world.now(guest.node) - guest.started) if running else 0,
        "netin": 0,
        "netout": 0,
        **{key: config[key] for key in ("lock", "tags") if key in config},
    }
    if config.get("balloon"):
        found |= {"balloon_min": int(config["balloon"]) * MIB, "shares": int(config.get("shares", 1000))}
    if any(re.fullmatch(r"serial\d+", key) for key in config):
        found["serial"] = 1
    if guest.is_template:
        found["template"] = 1
    if world.is_9:
        found["memhost"] = 0
    if running:
        found["pid"] = guest.pid
        found |= dict.fromkeys(PRESSURES, 0) if world.is_9 else {}
    return found


def _processors(world: World, guest: Guest) -> int:
    """As many as it starts with, else all of its own, though not more than the node has."""
    own = int(guest.config.get("sockets", 1)) * int(guest.config.get("cores", 1))
    return int(guest.config.get("vcpus", 0)) or min(own, world.nodes[guest.node].cpus)


@route("GET", "/nodes/{node}/qemu")
def vm_list(call: Call) -> Any:
    """The VMs of a node that the caller may see."""
    world = call.world
    found = [
        summary(world, guest)
        for guest in world.guests.values()
        if guest.node == call.node and access.may(world, call.caller, f"/vms/{guest.vmid}", "VM.Audit")
    ]
    if call.params.get("full"):
        found = [item | {"qmpstatus": world.guests[item["vmid"]].qmpstatus} for item in found]
    return found


@route("GET", "/nodes/{node}/qemu/{vmid}/status/current", needs("/vms/{vmid}", "VM.Audit"))
def current(call: Call) -> Any:
    """One VM in full."""
    guest = call.world.guest(call.vmid, call.node)
    found = summary(call.world, guest)
    found["qmpstatus"] = guest.qmpstatus
    found["ha"] = {"managed": 1, "state": guest.ha} if guest.ha else {"managed": 0}
    if agent_enabled(guest):
        found["agent"] = 1
    if "vga" in guest.config:
        vga = properties(str(guest.config["vga"]), "type")
        spice = vga.get("type", "").startswith(("qxl", "virtio"))
        found |= {"clipboard": vga.get("clipboard"), **({"spice": 1} if spice else {})}
    return found | _of_process(guest, found["maxmem"]) if guest.running else found


def _of_process(guest: Guest, maxmem: int) -> dict[str, Any]:
    """What only a QEMU process can tell."""
    slots = [slot for slot, drive in drives(guest.config).items() if drive["file"] != "none"]
    counters = {
        **dict.fromkeys(BLOCK_COUNTERS, 0),
        "account_failed": True,
        "account_invalid": True,
        "timed_stats": [],
    }
    balloon = int(guest.config.get("balloon", 0)) * MIB
    return {
        "balloon": balloon or maxmem,
        "freemem": maxmem // 2,
        "ballooninfo": {"actual": maxmem, "max_mem": maxmem, "total_mem": maxmem, "free_mem": maxmem // 2},
        "blockstat": {slot: dict(counters) for slot in slots},
        "diskread": 1_048_576,
        "diskwrite": 524_288,
        "running-machine": "pc-i440fx-11.0+pve0",
        "running-qemu": "11.0.0",
        "proxmox-support": dict(SUPPORT),
    }


@route("GET", "/nodes/{node}/lxc", protected=False)
def containers(_call: Call) -> Any:
    """Containers: there are none."""
    return []


@route("GET", "/nodes/{node}/qemu/{vmid}", protected=False)
def vm_index(_call: Call) -> Any:
    """What lies below a VM."""
    return [{"subdir": name} for name in ("config", "pending", "status", "snapshot", "firewall", "agent")]


@route("GET", "/nodes/{node}/qemu/{vmid}/status", protected=False)
def status_index(_call: Call) -> Any:
    """What lies below a VM's status."""
    return [{"subdir": name} for name in ("current", "start", "stop", "reset", "shutdown", "suspend", "reboot")]


@route("GET", "/nodes/{node}/qemu/{vmid}/feature", needs("/vms/{vmid}", "VM.Audit"))
def feature(call: Call) -> Any:
    """Whether all disks of a VM can be snapshotted, cloned or copied."""
    guest, kind = call.world.guest(call.vmid, call.node), call.params["feature"]
    volumes = [call.world.volume(drive["file"], call.node) for drive in images(guest.config).values()]
    able = all(volume is not None and _can(call.world, volume, kind) for volume in volumes)
    return {"hasFeature": int(able), "nodes": list(call.world.nodes) if able else [call.node]}


def _can(world: World, volume: Volume, kind: str) -> bool:
    files = world.storages[volume.storage].type in FILE_TYPES
    if kind == "snapshot":
        return not files or volume.format == "qcow2"
    return kind == "copy" or volume.base.startswith("base-")
