"""What the simulated cluster is: nodes, guests, storages, who may what. docs/simulator.md describes the file form."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from .answers import failed
from .volumes import FILE_TYPES, SHARED_TYPES, Place, Volume, Volumes

if TYPE_CHECKING:
    from .tasks import Task

Value = str | int | float
Config = dict[str, Value]
Answer = TypeVar("Answer")
DISK_TOTAL = 270_553_174_016
BROADCAST_SECONDS = 10


@dataclass
class Node:
    """One node: whether it answers, its clock against ours, and who holds its vzdump lock."""

    name: str
    online: bool = True
    daemon: bool = True
    clock_skew: float = 0.0
    utc_offset: int = 0  # of its zone, in seconds
    booted: float = field(default_factory=time.time)
    bridges: list[str] = field(default_factory=lambda: ["vmbr0"])
    vzdump_holder: str | None = None
    vzdump_queue: list[str] = field(default_factory=list)
    next_pid: int = 5000
    workers: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(3))
    workers_busy: int = 0


@dataclass
class Storage:
    """One storage as in storage.cfg, and what is wrong with it. `total` in bytes; None is roomy."""

    storage: str
    type: str = "dir"
    path: str = ""
    content: tuple[str, ...] = ("images",)
    prune: str | None = None
    nodes: tuple[str, ...] | None = None
    shared: bool = False
    total: int | None = None
    is_mountpoint: bool = False
    disabled: bool = False
    max_protected: int | None = None
    offline: set[str] = field(default_factory=set)  # node names; "*" is all of them
    full: bool = False
    seconds: float = 0.0  # how long each access takes
    kept_by_garbage: int = 0  # bytes that deletion on a PBS has not freed yet

    def is_offline(self, node: str) -> bool:
        """Whether the node cannot reach it."""
        return "*" in self.offline or node in self.offline

    def image_name(self, vmid: int, base: str, fmt: str) -> str:
        """The volume name of an image called base: file storages have a folder and an ending."""
        return f"{vmid}/{base}.{fmt}" if self.type in FILE_TYPES else base

    def file_path(self, name: str) -> str:
        """Where a volume lies in the node's file system."""
        if self.type not in FILE_TYPES:
            return f"/dev/{self.storage}/{name.rsplit('/', 1)[-1]}"
        folder = "dump" if name.startswith("backup/") else "images" if name[:1].isdigit() else "template"
        tail = name.split("/", 1)[1] if folder == "dump" else name
        return f"{self.path}/{folder}/{tail}"


@dataclass
class Snapshot:
    """A snapshot and the configuration of its moment."""

    name: str
    time: int
    description: str
    config: Config
    parent: str | None = None


@dataclass
class Guest:
    """A VM: configuration, what is pending, and its QEMU process if there is one."""

    vmid: int
    node: str
    config: Config
    pending: Config = field(default_factory=dict)
    pending_delete: list[str] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    qmpstatus: str = "stopped"
    pid: int | None = None
    started: float = 0.0
    ha: str | None = None  # requested state, None where HA does not manage it
    ha_options: dict[str, Any] = field(default_factory=dict)  # the rest of its HA entry
    cloudinit_dirty: bool = True
    firewall_options: dict[str, Any] = field(default_factory=dict)
    firewall_rules: list[dict[str, Any]] = field(default_factory=list)
    backup_job_ends: float = 0.0  # QEMU's own job goes on when its worker is killed

    @property
    def running(self) -> bool:
        """Whether a QEMU process exists, paused or not."""
        return self.pid is not None

    @property
    def status(self) -> str:
        """The word for it: running or stopped."""
        return "running" if self.running else "stopped"

    @property
    def lock(self) -> str | None:
        """The lock in the configuration (not the flock on its file)."""
        value = self.config.get("lock")
        return None if value is None else str(value)

    @property
    def name(self) -> str:
        """The name as listings show it."""
        return str(self.config.get("name", f"VM {self.vmid}"))

    @property
    def is_template(self) -> bool:
        """Whether it has been made a template."""
        return bool(self.config.get("template"))

    def merged(self) -> Config:
        """The configuration with pending changes as if applied."""
        found = {**self.config, **self.pending}
        for key in self.pending_delete:
            found.pop(key, None)
        return found

    def text(self) -> str:
        """The configuration file."""
        parts = [config_text(self.config)]
        if self.pending or self.pending_delete:
            gone = [f"delete: {','.join(self.pending_delete)}\n"] if self.pending_delete else []
            parts.append("\n[PENDING]\n" + "".join(gone) + config_text(self.pending))
        parts += [f"\n[{one.name}]\nsnaptime: {one.time}\n" + config_text(one.config) for one in self.snapshots]
        return "".join(parts)

    def digest(self) -> str:
        """SHA-1 of the configuration file, as Proxmox compares it."""
        return hashlib.sha1(self.text().encode(), usedforsecurity=False).hexdigest()


def config_text(config: Config) -> str:
    """A configuration as a file holds it: the description as comment lines, then keys in order."""
    lines = []
    if description := str(config.get("description", "")):
        lines = ["#" + quote(line, safe=" :!$&'()*+,/;=?@[]~\"<>|{}^`\\") for line in description.split("\n")]
    lines += [f"{key}: {config[key]}" for key in sorted(config) if key not in ("description", "digest")]
    return "".join(f"{line}\n" for line in lines)


@dataclass
class Token:
    """An API token; `user` is its owner, `id` the full `user@realm!name`."""

    name: str
    user: str
    id: str
    secret: str
    privsep: bool = False
    revoked: bool = False


class World:
    """Everything. One lock guards it; whoever waits for something does so through `wait`, which lets others in."""

    def __init__(self, pve: str, time_scale: float) -> None:
        self.pve = pve
        self.time_scale = time_scale
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}
        self.storages: dict[str, Storage] = {}
        self.volumes = Volumes()
        self.guests: dict[int, Guest] = {}
        self.pools: dict[str, set[int]] = {}
        self.tokens: dict[str, Token] = {}
        self.acl: list[dict[str, Any]] = []
        self.roles: dict[str, frozenset[str]] = {}
        self.tasks: dict[str, Task] = {}
        self.conditions: dict[tuple[str, int], Any] = {}
        self.faults: list[Any] = []
        self.flocks: dict[str, tuple[object, float | None]] = {}
        self.pace: dict[str, float] = {}
        self.quorum = True
        self.generation = 0  # a reset starts a new one; workers of an older one end
        self.proxy_seconds = 30.0
        self.last_task_event: str | None = None
        self.privilege_cache: dict[tuple[str, str], dict[str, int]] = {}
        self.fingerprint = ""
        self.crashes: list[str] = []  # what went wrong inside the simulator itself
        self.acl_index: dict[tuple[str, str], dict[str, int]] | None = None
        self.broadcast: dict[int, tuple[str, str]] = {}
        self.broadcast_at = -1e9
        self.tasks_kept: int | None = None

    @property
    def is_9(self) -> bool:
        """Whether it speaks as PVE 9 does."""
        return self.pve.startswith("9")

    def now(self, node: str | None = None) -> float:
        """The time by a node's clock (epoch seconds)."""
        return time.time() + (self.nodes[node].clock_skew if node in self.nodes else 0.0)

    def scaled(self, seconds: float) -> float:
        """How long simulated work of so many seconds takes here."""
        return seconds * self.time_scale

    def as_told(self, seconds: float) -> float:
        """The same for seconds that a condition or a caller names: with scale 0 they are taken as they are."""
        return seconds * self.time_scale if self.time_scale else seconds

    def wait_for(self, ready: Callable[[], Answer], seconds: float) -> Answer:
        """Wait with the world open to others until `ready` gives something true, at most so long."""
        return self.changed.wait_for(ready, timeout=seconds)

    def poke(self) -> None:
        """Tell all who wait that something has changed."""
        self.changed.notify_all()

    def guest(self, vmid: int, node: str) -> Guest:
        """The VM on that node, or the refusal of Proxmox for one that is not there."""
        found = self.guests.get(vmid)
        if found is None or found.node != node:
            raise failed(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        return found

    def condition(self, name: str, vmid: int) -> Any:
        """The value of a condition set for a VM, None where it is not set."""
        return self.conditions.get((name, vmid))

    def place(self, storage: str, node: str) -> Place:
        """Where volumes of a storage lie as seen from a node."""
        found = self.storages.get(storage)
        return (storage, None if found is not None and found.shared else node)

    def volume(self, volid: str, node: str) -> Volume | None:
        """The volume of that id as seen from a node."""
        storage, _, name = volid.partition(":")
        return self.volumes.get(self.place(storage, node), name)

    def rights_changed(self) -> None:
        """Forget what was worked out from pools and access lists."""
        self.privilege_cache.clear()
        self.acl_index = None

    def granted(self, identity: str, path: str) -> dict[str, int]:
        """The roles that the access list gives an identity right on a path, with their propagate flag."""
        if self.acl_index is None:
            self.acl_index = {}
            for entry in self.acl:
                roles = self.acl_index.setdefault((str(entry["ugid"]), str(entry["path"])), {})
                roles[str(entry["roleid"])] = int(entry.get("propagate", 1))
        return self.acl_index.get((identity, path), {})

    def last_heard(self, guest: Guest) -> tuple[str, str]:
        """Status and name of a VM as broadcast to the cluster every ten seconds."""
        if not self.time_scale:
            return (guest.status, guest.name)
        if time.monotonic() - self.broadcast_at >= self.scaled(BROADCAST_SECONDS):
            self.broadcast_at = time.monotonic()
            self.broadcast = {vmid: (one.status, one.name) for vmid, one in self.guests.items()}
        return self.broadcast.get(guest.vmid, (guest.status, guest.name))

    def pool_of(self, vmid: int) -> str | None:
        """The pool that a VM is in."""
        return next((name for name, members in self.pools.items() if vmid in members), None)


def new_mac() -> str:
    """A MAC address as Proxmox makes them up: its own prefix, the rest at random."""
    tail = uuid.uuid4().hex[:6].upper()
    return f"BC:24:11:{tail[:2]}:{tail[2:4]}:{tail[4:]}"


def make_storage(entry: dict[str, Any], node_names: list[str]) -> Storage:
    """A storage from its entry in the state file."""
    kind = entry.get("type", "dir")
    nodes = entry.get("nodes")
    name = entry["storage"]
    path = entry.get("path") or ("/var/lib/vz" if name == "local" else f"/mnt/pve/{name}")
    found = Storage(
        storage=name,
        type=kind,
        path=path,
        content=tuple(entry.get("content", ("backup",))),
        prune=entry.get("prune-backups"),
        nodes=tuple(nodes) if nodes else None,
        shared=bool(entry.get("shared", kind in SHARED_TYPES)),
        total=entry.get("total") or None,
        is_mountpoint=bool(entry.get("is_mountpoint")),
        disabled=bool(entry.get("disable")),
        max_protected=entry.get("max-protected-backups"),
    )
    if entry.get("active") is False:
        found.offline = {"*"}
    found.nodes = tuple(one for one in found.nodes if one in node_names) if found.nodes else None
    return found
