"""A host application whose services are inserted as rows, without a Proxmox behind them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import request
from sqlalchemy.orm import Session
from support import world as worlds

from puq_backups import Actor
from puq_backups.errors import Message
from puq_backups.models import Backup, Operation, Server, Service, Storage, new_id

NOW = datetime(2026, 11, 27, 9, 4, tzinfo=UTC)
"""When all pictures are taken: a Friday morning in London."""

ZONE = "Europe/London"
GIB = 1024**3
GOOD = {"size": 8 * GIB, "disks": 1, "verification": "ok"}
EVERY_DAY = tuple(range(7))


class Host(worlds.Host):
    """Who is signed in is Alice, in the language that a cookie names; staff below /admin."""

    def current_actor(self) -> Actor:
        locale = request.cookies.get("locale", "en-GB")
        if request.path.startswith("/admin"):
            return Actor(is_staff=True, name="Steve", locale=locale, timezone=ZONE)
        given = request.cookies.get("permissions")
        permissions = frozenset(given.split("+")) if given else None
        return Actor(client_id="alice", name="Alice", locale=locale, timezone=ZONE, permissions=permissions)


@dataclass
class PreparedService:
    """A service that the function of a state fills. `path` is the page to show, below the address of its backups."""

    session: Session
    service: Service
    path: str = "/"
    slots: dict[str, Operation] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def schedule(self, days: tuple[int, ...] = EVERY_DAY, time: str = "02:00", zone: str = ZONE) -> None:
        """Set the weekly schedule, and the next run as the clock would."""
        listed = [{"day": day, "enabled": day in days, "time": time if day in days else ""} for day in range(7)]
        self.service.schedule = {"timezone": zone, "days": listed}
        hour, minute = map(int, time.split(":"))
        at = NOW.replace(hour=hour, minute=minute) + timedelta(days=0 if (hour, minute) > (9, 4) else 1)
        while days and (at.isoweekday() % 7) not in days:
            at += timedelta(days=1)
        self.service.next_run_at = at if days else None
        self.service.next_run_date = at.date().isoformat() if days else None

    def operation(self, kind: str = "backup", state: str = "done", at: datetime = NOW, **more: Any) -> Operation:
        """An operation that was asked for at a moment and ended a while later, if it has ended."""
        ended = state not in {"waiting", "running", "stuck"}
        seconds = more.pop("seconds", 6 * 3600 if state == "missed" else 240)
        facts: dict[str, Any] = {
            "created_at": at, "due_at": at, "wake_at": at,
            "started_at": None if state in {"waiting", "missed"} else at,
            "finished_at": at + timedelta(seconds=seconds) if ended else None,
            "lock": self.service.id if state in {"running", "stuck"} else None, "data": {}, "storage": "local",
        }  # fmt: skip
        reason, tried = more.pop("reason", None), more.pop("attempts", 1)
        found = Operation.new(self.service, kind, actor="Alice", **{"origin": "manual", **facts, **more})
        found.state, found.attempts = state, tried
        found.reason = Message(reason).to_json() if isinstance(reason, str) else reason
        self.session.add(found)
        self.session.flush()
        return found

    def slot(self, days_ago: int, state: str = "done", **more: Any) -> Operation:
        """A scheduled backup of 02:00 some days ago."""
        at = (NOW - timedelta(days=days_ago)).replace(hour=2, minute=0)
        date = at.date().isoformat()
        self.slots[date] = self.operation("backup", state, at, origin="scheduled", slot_date=date, **more)
        return self.slots[date]

    def backup(self, at: datetime, note: str = "", kind: str = "manual", size: float = 8.2, **more: Any) -> Backup:
        """A good backup with the operation that made it, unless one is given."""
        operation = more.pop("operation", None) or self.operation("backup", at=at, note=note, seconds=292)
        found = Backup(
            id=new_id(), service_id=self.service.id, server_id=self.service.server_id, operation_id=operation.id,
            client_id="alice", storage="local",
            volid=f"local:backup/vzdump-{self.service.id}-{next(self.numbers)}.vma.zst",
            vmid=self.service.vmid, kind=kind, note=note, slot_date=operation.slot_date,
            local_date=at.date().isoformat(), created_at=at, seen_at=NOW,
            **{**GOOD, "size": round(size * GIB), **more},
        )  # fmt: skip
        self.session.add(found)
        self.session.flush()
        return found

    def nightly(self, *days_ago: int, **more: Any) -> list[Backup]:
        """Scheduled backups that exist; each a little smaller the older it is."""
        found = []
        for days in days_ago:
            slot = self.slot(days)
            size = 8.4 - days * 0.05 + (0.1 if days % 3 else 0)
            found.append(self.backup(slot.created_at, kind="scheduled", size=size, operation=slot, **more))
        return found

    def month(self, *, but: dict[int, str] | None = None) -> None:
        """Slots of the rest of the last 30 days, whose archives are gone. `but` names other ends by days ago."""
        for days in range(30):
            if (NOW - timedelta(days=days)).date().isoformat() in self.slots:
                continue
            state = (but or {9: "skipped", 17: "failed", 23: "missed"}).get(days, "done")
            slot = self.slot(days, state)
            if state == "done":
                size = 8.4 - days * 0.03 + (0.12 if days % 4 else 0)
                self.backup(slot.created_at, kind="scheduled", size=size, operation=slot, removed_at=NOW)


def make(folder: Path) -> worlds.World:
    """A host application with an empty database and no Proxmox."""
    url = f"sqlite:///{folder / 'gallery.sqlite'}"
    nobody: Any = None  # nothing here asks Proxmox
    world = worlds.make(nobody, url, "redis://127.0.0.1:1/0", Host(), bin_hours=24)
    with world.context.database.begin() as session:
        session.add(Server(id="pve", hosts="pve2.example.net", token_id="panel@pve!backups", sealed_secret=b""))
    return world


def prepare(session: Session, key: str, number: int, quota: int = 10) -> PreparedService:
    """An empty service with a quota; its storage is online."""
    service = Service(
        id=key, client_id="alice", server_id="pve", vmid=number, active_vmid=number, node="pve2", token=new_id(),
        created_at=NOW - timedelta(days=200), package={"backups": quota, "storage": "local"}, quota=quota,
        vm_name="bakery-web", vm_status="running", domain="bakery.example",
        client={"firstname": "Alice", "lastname": "Adams", "email": "alice@example.org"},
    )  # fmt: skip
    session.add(service)
    if session.get(Storage, "local") is None:
        session.add(Storage(id="local", server_id="pve", name="local", type="dir", active=True, available=400 * GIB,
                            total=1000 * GIB, seen_at=NOW))  # fmt: skip
    session.flush()
    found = PreparedService(session, service)
    found.schedule(())
    return found
