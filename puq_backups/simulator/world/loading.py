"""From a state file to a world."""

from __future__ import annotations

from typing import Any

from .archives import archive_of_config
from .clock import Clock
from .model import Guest, Node, Snapshot, Token
from .qemu import power_on
from .roles import stock_roles
from .state import World
from .storages import make_storage
from .volumes import Volume, name_parts

VERSIONS = {
    "9.2": {"version": "9.2.11", "repoid": "14a22df3aeaf0000", "release": "9.2"},
    "8.4": {"version": "8.4.21", "repoid": "2606ac85b1e20000", "release": "8.4"},
}


def make_world(state: dict[str, Any], pve: str, clock: Clock) -> World:
    """The world that a state describes. Raises ValueError for a version that is not simulated."""
    if pve not in VERSIONS:
        raise ValueError(f"PVE {pve} is not simulated; choose one of {', '.join(VERSIONS)}.")
    world = World(pve, clock)
    world.version = state.get("versions", {}).get(pve) or VERSIONS[pve]
    world.pace = dict(state.get("work", {}))
    world.tasks_kept = state.get("tasks_kept")
    _add_nodes(world, state)
    for entry in state.get("storages", []):
        world.storages[entry["storage"]] = make_storage(entry, list(world.nodes))
    _add_access(world, state)
    for vmid, entry in state.get("vms", {}).items():
        _add_guest(world, int(vmid), entry)
    for name, entry in state.get("pools", {}).items():
        world.pools[name] = {int(member) for member in entry.get("members", [])}
        world.pool_storages[name] = set(entry.get("storages", []))
    world.groups = {name: set(users) for name, users in state.get("groups", {}).items()}
    for entry in state.get("volumes", []):
        _add_volume(world, entry)
    world.journal.watch(world.guests, world.volumes)
    return world


def _add_nodes(world: World, state: dict[str, Any]) -> None:
    names = state.get("nodes") or [state.get("node", "pve")]
    bridges = [one["iface"] for one in state.get("bridges", [{"iface": "vmbr0"}])]
    for position, name in enumerate(names):
        offset = int(state.get("utc_offsets", {}).get(name, 0))
        booted = world.now() - 6000 - position
        node = Node(name, bridges=list(bridges), booted=booted, utc_offset=offset)
        if "nodes" in state:
            node.cpus, node.memory = 64, 256 * 1024**3
        node.cpus = int(state.get("cpus", {}).get(name, node.cpus))
        node.memory = int(state.get("memory", {}).get(name, node.memory))
        world.nodes[name] = node
    world.vlan_aware = {one["iface"] for one in state.get("bridges", []) if one.get("bridge_vlan_aware")}
    world.node_statistics = bool(state.get("node_statistics", True))


def _add_access(world: World, state: dict[str, Any]) -> None:
    """Tokens, roles and the access list; a role may be named only by the grants of a token."""
    world.roles = stock_roles(world.is_9)
    for name, privileges in state.get("roles", {}).items():
        world.roles[name] = _of_version(privileges, world.pve)
    world.acl = [dict(entry) for entry in state.get("acl", [])]
    for name, entry in state.get("tokens", {}).items():
        if "secret" not in entry or "user" not in entry:
            continue  # "none", and tokens that are there to be refused
        privsep = bool(entry.get("privsep", 0))
        world.tokens[name] = Token(name, entry["user"], entry["token"], entry["secret"], privsep=privsep)
        grants = entry.get("grants")
        for path, grant in grants.items() if isinstance(grants, dict) else ():
            _add_grant(world, entry["user"], path, grant)


def _add_grant(world: World, user: str, path: str, grant: dict[str, Any]) -> None:
    role = grant["role"]
    if "privileges" in grant:
        world.roles[role] = _of_version(grant["privileges"], world.pve)
    known = {(entry["path"], entry["ugid"], entry["roleid"]) for entry in world.acl}
    if (path, user, role) not in known:
        propagate = int(bool(grant.get("propagate", True)))
        world.acl.append({"path": path, "type": "user", "ugid": user, "roleid": role, "propagate": propagate})


def _of_version(privileges: Any, pve: str) -> frozenset[str]:
    return frozenset(privileges[pve] if isinstance(privileges, dict) else privileges)


def _add_guest(world: World, vmid: int, entry: dict[str, Any]) -> None:
    node = entry.get("node") or next(iter(world.nodes))
    config = {key: value for key, value in entry["config"].items() if key != "digest"}
    guest = Guest(vmid, node, config, ha=entry.get("ha"))
    for snapshot in entry.get("snapshots", []):
        guest.snapshots.append(
            Snapshot(
                snapshot["name"],
                int(snapshot.get("snaptime", world.now())),
                snapshot.get("description", ""),
                dict(snapshot.get("config", config)),
                snapshot.get("parent"),
            )
        )
    if guest.snapshots:
        guest.config.setdefault("parent", guest.snapshots[-1].name)
    guest.firewall_options = dict(entry.get("firewall", {}).get("options", {}))
    guest.firewall_rules = [dict(rule) for rule in entry.get("firewall", {}).get("rules", [])]
    if entry.get("status") == "running":
        power_on(world, guest)
    world.guests[vmid] = guest


def _add_volume(world: World, entry: dict[str, Any]) -> None:
    """A disk image or an archive. An archive without `config` holds that of its VM as it is now."""
    storage, _, name = entry["volid"].partition(":")
    content, fmt, owner = name_parts(name)
    shared = world.storages[storage].shared
    node = None if shared else entry.get("node") or next(iter(world.nodes))
    vmid = int(entry.get("vmid") or owner or 0)
    size = int(entry["size"])
    used = int(entry.get("used", size))
    volume = Volume(storage, name, content, fmt, size, int(entry.get("ctime", world.now())), vmid, node, used=used)
    volume.data = int(entry.get("data", used if fmt == "raw" else 0))
    volume.notes = entry.get("notes")
    volume.protected = bool(entry.get("protected"))
    volume.verification = entry.get("verification")
    if content == "backup" and "config" in entry:
        volume.archive = archive_of_config(world, entry["config"])
    world.volumes.add(volume)
