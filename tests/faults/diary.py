"""What happened in a run, as the rules need it: what was asked for, the journal of Proxmox, and our rows.

Rows are read by plain SQL: what is checked shares no code with what is checked by it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from support import world as worlds

from puq_backups.simulator.world.journal import Entry
from puq_backups.simulator.world.volumes import Volume

TABLES = ("service", "operation", "backup", "audit", "mail", "chore", "hidden_volume", "storage")
STORAGES = ("nfs", "pbs", "local", "nfs-keep2")

Row = dict[str, Any]


@dataclass
class Diary:
    """Notes of a run. Times are those of the simulator, in seconds since the epoch."""

    deeds: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    jumps: int = 0
    broken: list[str] = field(default_factory=list)
    quotas: dict[str, list[int]] = field(default_factory=dict)
    statuses: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    schedules: dict[str, list[dict[int, str]]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)
    volumes: list[Volume] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    token_id: str = ""
    secret: str = ""
    crashes: list[str] = field(default_factory=list)

    def status(self, service_id: str, function: str, at: float) -> None:
        """A lifecycle function was accepted."""
        self.statuses.setdefault(service_id, []).append((at, function))

    def schedule(self, service_id: str, times: dict[int, str]) -> None:
        """A schedule was accepted: times of day by weekday."""
        self.schedules.setdefault(service_id, []).append(times)

    def log(self, record: logging.LogRecord) -> None:
        """Keep a log line; an error of ours that nobody expected breaks the rule 0."""
        line = logging.Formatter("%(levelname)s %(name)s %(message)s").format(record)
        self.lines.append(line)
        if record.levelno >= logging.ERROR:
            self.broken.append(f"0: logged {line}")

    def collect(self, world: worlds.World) -> None:
        """Take what Proxmox and the database hold at the end."""
        proxmox = world.proxmox
        self.journal = proxmox.journal()
        self.volumes = [volume for storage in STORAGES for volume in proxmox.volumes(storage)]
        self.token_id, self.secret = proxmox.tokens["panel"]
        self.crashes = list(proxmox.crashes)
        with world.context.database.engine.connect() as connection:
            for table in TABLES:
                found = connection.execute(text(f"SELECT * FROM puq_backups_{table}"))  # noqa: S608 - names of ours
                self.rows[table] = [dict(row) for row in found.mappings()]

    def operation(self, operation_id: str | None) -> Row | None:
        """The row of an operation."""
        return next((row for row in self.rows["operation"] if row["id"] == operation_id), None)

    def figures(self) -> Counter[str]:
        """What the summary counts."""
        found: Counter[str] = Counter({f"fault {name}": count for name, count in self.faults.items()})
        for row in self.rows.get("operation", []):
            found[f"{row['kind']} {row['state']}"] += 1
            found[f"operations {row['kind']}"] += 1
            data = json.loads(row["data"]) if isinstance(row["data"], str) else row["data"] or {}
            found["rotations"] += len(data.get("removed", [])) if row["kind"] == "backup" else 0
        found["ticks"], found["clock jumps"] = self.ticks, self.jumps
        return found
