"""The parts of the simulated cluster: nodes, storages, guests, tokens and callers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .options import Options
from .volumes import FILE_TYPES

Value = str | int | float
Config = dict[str, Value]


UNESCAPED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ":%")
"""Characters of a description that a configuration file holds as they are."""


@dataclass
class Node:
    """One node: whether it answers, its clock against ours, and who holds its vzdump lock."""

    name: str
    online: bool = True
    daemon: bool = True
    clock_skew: float = 0.0
    utc_offset: int = 0  # of its zone, in seconds
    booted: float = 0.0
    bridges: list[str] = field(default_factory=lambda: ["vmbr0"])
    vzdump_holder: str | None = None
    vzdump_queue: list[str] = field(default_factory=list)
    next_pid: int = 5000
    cpus: int = 2
    memory: int = 25_276_510_208  # in bytes
    workers_busy: int = 0  # of the three workers of pvedaemon


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
    server: str = ""  # of a PBS, with the next ones
    datastore: str = ""
    username: str = ""
    namespace: str | None = None
    encryption_key: str | None = None  # fingerprint
    avail: int | None = None  # bytes, where it is not total - used
    foreign_groups: frozenset[int | None] = frozenset()  # on a PBS: VMIDs whose group others own; None is all
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
        tail = name.split("/", 1)[1] if folder == "dump" else "/".join(name.split("/")[-2:])
        return f"{self.path}/{folder}/{tail}"


@dataclass
class Snapshot:
    """A snapshot and the configuration of its moment."""

    name: str
    time: int
    description: str
    config: Config
    parent: str | None = None

    def whole(self) -> Config:
        """Its section of the configuration file."""
        more = {"parent": self.parent, "description": self.description}
        return {**self.config, "snaptime": self.time, **{key: value for key, value in more.items() if value}}


REPORTED = ("node", "qmpstatus", "ha", "snapshots", "pending_delete")
"""Attributes of a guest whose changes are entered in the journal."""


@dataclass
class Guest:
    """A VM: configuration, what is pending, and its QEMU process if there is one."""

    vmid: int
    node: str
    config: Config
    pending: Config = field(default_factory=dict)
    pending_delete: list[str] = field(default_factory=list)
    forced_delete: set[str] = field(default_factory=set)  # of these the images go too
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
    bitmaps: dict[str, tuple[int | None, float, str]] = field(default_factory=dict)  # by PBS storage

    def watch(self, report: Callable[[str, Any, Any], None]) -> None:
        """Report each change of the configuration and of the attributes in REPORTED as (name, old, new)."""
        object.__setattr__(self, "_report", report)
        self.config, self.pending = self.config, self.pending

    def __setattr__(self, name: str, value: Any) -> None:
        report = self.__dict__.get("_report")
        old = self.__dict__.get(name)
        if report is not None and name in ("config", "pending"):
            prefix = "" if name == "config" else "pending "
            for key in {**(old or {}), **value}:
                if (old or {}).get(key) != value.get(key):
                    report(prefix + key, (old or {}).get(key), value.get(key))
            value = Options(value, lambda key, before, after: report(prefix + key, before, after))
        elif report is not None and name in REPORTED and old != value:
            report(name, old, value)
        object.__setattr__(self, name, value)

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


def tidied(config: Config) -> Config:
    """A configuration as it is read again once it was written: blanks at the end of a description are lost, and an
    empty one (`0` is one too) altogether.
    """
    text = str(config.get("description", "")).rstrip()
    rest = {key: value for key, value in config.items() if key != "description"}
    return {**rest, "description": text} if text not in ("", "0") else rest


def config_text(config: Config) -> str:
    """A configuration as a file holds it: the description as comment lines, then keys in order."""
    lines = []
    if description := str(config.get("description", "")):
        lines = ["#" + quote(line, safe=UNESCAPED) for line in description.split("\n")]
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


@dataclass(frozen=True)
class Caller:
    """Who asks. `id` is `user@realm!token`; a token is never the user root@pam itself."""

    id: str
    user: str
    privsep: bool = False

    @property
    def token(self) -> str | None:
        """The token's name without its owner."""
        return self.id.partition("!")[2] or None
