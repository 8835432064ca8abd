"""The record of a run, as the rules need it: requests and answers, the journal of Proxmox, and our rows.

Rows are read by plain SQL: what is checked shares no code with what is checked by it.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from support import world as worlds

from puq_backups.simulator.world.journal import Entry
from puq_backups.simulator.world.volumes import Volume

from .history import History

if TYPE_CHECKING:
    from .archives import File

TABLES = ("service", "operation", "backup", "audit", "mail", "chore", "hidden_volume", "storage", "set_aside")
STORAGES = ("nfs", "pbs", "local", "nfs-keep2")

Row = dict[str, Any]


@dataclass(frozen=True)
class Intrusion:
    """What a client asked of somebody else's backup: the answer, Proxmox calls, and whether a row was changed."""

    function: str
    answer: str
    calls: int
    changed: bool


@dataclass(frozen=True)
class Destruction:
    """A request that destroys something, with the committed audit rows that spoke of it just before it was sent."""

    request: str
    announced: int


@dataclass
class RunRecord:
    """The record of a run. Times are those of the simulator, in seconds since the epoch.

    `skew`: how far the product's clock was ever off, in seconds. `ended_at`: when clock and worker ran last.
    `grace`: seconds for which an archive that is gone by now may still have been seen by us: one slow listing and its
    call. `near`: for how many seconds a fault counts as near to what follows it.
    `releases`: when the release of an archive that others made was asked for first, by volid; without what was
    refused. `imported`: archives that imports took over.
    `promised`: by service, the day of which the schedule that was saved last makes a slot; only with real processes.
    `faulty`: set while the database fails on purpose, so that an error of ours is no news.
    """

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    fault_times: list[float] = field(default_factory=list)
    ticks: int = 0
    jumps: int = 0
    skew: float = 60.0
    grace: float = 150.0
    near: float = 3600.0
    broken: list[str] = field(default_factory=list)
    quotas: dict[str, list[int]] = field(default_factory=dict)
    history: History = field(default_factory=History)
    intrusions: list[Intrusion] = field(default_factory=list)
    destructions: list[Destruction] = field(default_factory=list)
    releases: dict[str, float] = field(default_factory=dict)
    imported: int = 0
    promised: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    token_id: str = ""
    secrets: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    ended_at: float = 0.0
    faulty: bool = False

    @cached_property
    def files(self) -> dict[str, File]:
        """All files of the journal by volid, each with the state of its end."""
        from . import archives

        return archives.files(self)

    @cached_property
    def results(self) -> dict[str, str]:
        """How the tasks of the journal ended, by UPID: `OK`, `failed`, or `unknown` where the last line is lost."""
        ended = {entry.subject: str(entry.details["exitstatus"]) for entry in self.journal if entry.what == "ended"}
        return {upid: _result(status) for upid, status in ended.items()}

    def log(self, record: logging.LogRecord) -> None:
        """Keep a log line; an error of ours that nobody expected breaks the rule 0."""
        line = logging.Formatter("%(levelname)s %(name)s %(message)s").format(record)
        self.lines.append(line)
        # A conflict passes by itself: whatever met it is tried again, and operators may read of it.
        ours = "OperationalError" in line and any(name.startswith("database") for name in self.faults)
        if record.levelno >= logging.ERROR and not self.faulty and not ours:
            self.broken.append(f"0: logged {line}")

    def collect(self, world: worlds.World, token: str) -> None:
        """Take what Proxmox and the database hold at the end."""
        proxmox = world.proxmox
        self.journal = proxmox.journal()
        self.volumes = [volume for storage in STORAGES for volume in proxmox.volumes(storage)]
        self.token_id, secret = proxmox.tokens[token]
        self.secrets = [secret, *world.app.config["PUQ_BACKUPS_KEYS"]]
        self.crashes = list(proxmox.crashes)
        with world.context.database.engine.connect() as connection:
            for table in TABLES:
                found = connection.execute(text(f"SELECT * FROM puq_backups_{table}"))  # noqa: S608 - names of ours
                self.rows[table] = [dict(row) for row in found.mappings()]

    def operation(self, operation_id: str | None) -> Row | None:
        """The row of an operation."""
        return next((row for row in self.rows["operation"] if row["id"] == operation_id), None)


def seconds(stored: object) -> float:
    """A stored time in seconds since the epoch."""
    return datetime.fromisoformat(str(stored)).replace(tzinfo=UTC).timestamp()


def _result(status: str) -> str:
    if status == "unexpected status":
        # It says nothing of the work: an archive with its notes is whole all the same.
        return "unknown"
    return "OK" if status.startswith(("OK", "WARNINGS")) else "failed"
