"""The state of the simulated cluster. docs/simulator.md describes the form of a state file."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..answers import failed
from .clock import Answer, Clock
from .fault import Fault
from .guest_table import GuestTable
from .journal import Journal
from .model import Guest, Node, Storage, Token
from .task import Task
from .volumes import Place, Volume, Volumes

BROADCAST_SECONDS = 10


Undo = Callable[[], None]


@dataclass(frozen=True)
class Done:
    """A control that was performed, and what undoes it."""

    name: str
    step: dict[str, Any]
    undo: Undo | None


class World:
    """The whole cluster. `lock` guards it; threads wait with `wait_for`, which releases the lock meanwhile."""

    def __init__(self, pve: str, clock: Clock) -> None:
        self.pve = pve
        self.clock = clock
        self.lock = clock.lock
        self.version: dict[str, str] = {}
        self.nodes: dict[str, Node] = {}
        self.storages: dict[str, Storage] = {}
        self.volumes = Volumes()
        self.protection_marks: set[str] = set()  # .protected files of archives that are gone
        self.guests = GuestTable()
        self.journal = Journal(clock)
        self.pools: dict[str, set[int]] = {}
        self.pool_storages: dict[str, set[str]] = {}
        self.groups: dict[str, set[str]] = {}
        self.tokens: dict[str, Token] = {}
        self.acl: list[dict[str, Any]] = []
        self.roles: dict[str, frozenset[str]] = {}
        self.tasks: dict[str, Task] = {}
        self.conditions: dict[tuple[str, int], Any] = {}
        self.faults: list[Fault] = []
        self.done: list[Done] = []  # controls in effect
        self.flocks: dict[str, tuple[object, float | None]] = {}
        self.pace: dict[str, float] = {}
        self.quorum = True
        self.node_statistics = True  # as pvestatd broadcasts them
        self.vlan_aware: set[str] = set()  # bridges
        self.proxy_seconds = 30.0
        self.last_task_event: str | None = None
        self.privilege_cache: dict[tuple[str, str], dict[str, int]] = {}
        self.fingerprint = ""
        self.crashes: list[str] = []  # what went wrong inside the simulator itself
        self.acl_index: dict[tuple[str, str], dict[str, int]] | None = None
        self.broadcast: dict[int, tuple[str, str]] = {}
        self.broadcast_at = -1e9
        self.tasks_kept: int | None = None
        self.active_lag = 0.0  # seconds for which ended tasks stay among the active ones

    @property
    def is_9(self) -> bool:
        """Whether it speaks as PVE 9 does."""
        return self.pve.startswith("9")

    @property
    def cluster_name(self) -> str:
        """The name of the cluster; a single node is none."""
        return "simulated" if len(self.nodes) > 1 else "standalone node"

    @property
    def time_scale(self) -> float:
        """The factor for durations of simulated work."""
        return self.clock.time_scale

    @time_scale.setter
    def time_scale(self, value: float) -> None:
        self.clock.time_scale = value

    def now(self, node: str | None = None) -> float:
        """The time by a node's clock, in seconds since the epoch."""
        return self.clock.now() + (self.nodes[node].clock_skew if node in self.nodes else 0.0)

    def scaled(self, seconds: float) -> float:
        """See Clock.scaled."""
        return self.clock.scaled(seconds)

    def as_told(self, seconds: float) -> float:
        """See Clock.as_told."""
        return self.clock.as_told(seconds)

    def wait_for(self, ready: Callable[[], Answer], seconds: float | None) -> Answer:
        """See Clock.wait_for."""
        return self.clock.wait_for(ready, seconds)

    def poke(self) -> None:
        """See Clock.poke."""
        self.clock.poke()

    def guest(self, vmid: int, node: str) -> Guest:
        """The VM on that node, or the refusal of Proxmox for one that is not there."""
        found = self.guests.get(vmid)
        if found is None or found.node != node:
            raise failed(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")
        return found

    def guest_to_run(self, vmid: int, node: str) -> Guest:
        """The same for calls that first look whether the VM runs: their refusal has other words."""
        found = self.guests.get(vmid)
        if found is None or found.node != node:
            raise failed(f"unable to find configuration file for VM {vmid} on node '{node}'")
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
        """QEMU's status and the name of a VM as broadcast to the cluster every ten seconds."""
        if not self.time_scale:
            return (guest.qmpstatus, guest.name)
        if self.clock.now() - self.broadcast_at >= self.scaled(BROADCAST_SECONDS):
            self.broadcast_at = self.clock.now()
            self.broadcast = {vmid: (one.qmpstatus, one.name) for vmid, one in self.guests.items()}
        return self.broadcast.get(guest.vmid, (guest.qmpstatus, guest.name))

    def pools_of(self, path: str) -> list[str]:
        """The pools that the VM or storage of an access path is in."""
        kind, _, name = path.strip("/").partition("/")
        if kind == "vms" and name.isdigit():
            return [pool for pool, members in self.pools.items() if int(name) in members]
        if kind == "storage":
            return [pool for pool, storages in self.pool_storages.items() if name in storages]
        return []

    def groups_of(self, identity: str) -> list[str]:
        """The groups of a user as access lists name them (@group)."""
        return [f"@{name}" for name, users in self.groups.items() if identity in users]


def new_mac() -> str:
    """A random MAC address with Proxmox's prefix."""
    tail = uuid.uuid4().hex[:6].upper()
    return f"BC:24:11:{tail[:2]}:{tail[2:4]}:{tail[4:]}"
