"""The staff pages with very many services: as many queries as with few, and a bounded amount of work for SQLite.

`ADMIN_SERVICES=100000 pytest tests/web/test_admin_scale.py -s` tries a larger provider and prints the times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

import pytest
from sqlalchemy import event, insert
from support import world as worlds

from puq_backups.models import AuditEntry, Backup, Operation, Server, Service, now
from puq_backups.simulator import Simulator

from .staff_pages import StaffPages

FEW = 2500
MANY = int(os.environ.get("ADMIN_SERVICES", "8000"))
SERVERS, BACKUPS = 20, 5
MOST_PER_SERVICE = 140
"""Instructions of SQLite; a row that is looked at takes about ten."""
PAGES: dict[str, dict[str, str]] = {
    "/": {}, "/operations": {"state": "waiting"}, "/operations#failed": {"state": "failed"}, "/services": {},
    "/services#found": {"q": "host77."}, "/services#none": {"q": "no such text"}, "/services#number": {"q": "1234"},
    "/services#stuck": {"trouble": "stuck"}, "/services#failed": {"trouble": "restore_failed"},
    "/services#unprotected": {"trouble": "no_good_backup"}, "/servers": {}, "/activity": {},
    "/activity#service": {"service": "s7"}, "/activity#actor": {"actor": "Rare"},
    "/activity#action": {"action": "rare"}, "/services/1/": {},
}  # fmt: skip


@pytest.fixture
def admin(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[StaffPages]:
    world = worlds.make(proxmox, sqlite_url, redis_url)
    world.register()
    yield StaffPages(world, world.app.test_client())
    world.context.database.engine.dispose()


def a_service(n: int, at: datetime, like: Service) -> list[dict[str, Any]]:
    return [{
        "id": f"s{n}", "client_id": f"c{n // 3}", "server_id": f"server{n % SERVERS}", "vmid": 1000 + n,
        "active_vmid": 1000 + n, "node": f"pve{n % 7}", "token": f"t{n}", "identity": f"uuid:{n}",
        "created_at": at - timedelta(days=9, seconds=n), "domain": f"shop.host{n}.example", "client": like.client,
        "package": like.package, "schedule": like.schedule, "quota": 5, "next_run_at": at + timedelta(hours=5),
        "last_good_at": at - timedelta(days=0 if n % 100 else 4, hours=1),
        "vm_name": f"vm{n}", "restore_failed": f"o{n}" if n % 5000 == 0 else None,
    }]  # fmt: skip


def its_backups(n: int, at: datetime, _: Service) -> list[dict[str, Any]]:
    """One service in a hundred has none of the last days."""
    return [{
        "service_id": f"s{n}", "server_id": f"server{n % SERVERS}", "volid": f"nfs:backup/{n}-{day}",
        "storage": "nfs", "vmid": 1000 + n, "kind": "scheduled", "local_date": "2026-11-01", "size": 10**10,
        "disks": 1, "created_at": at - timedelta(days=day, hours=1),
    } for day in range(0 if n % 100 else 4, BACKUPS)]  # fmt: skip


def its_operation(n: int, at: datetime, _: Service) -> list[dict[str, Any]]:
    """One in a thousand waits, one in fifty failed."""
    waits = n % 1000 == 0
    return [{
        "service_id": f"s{n}", "client_id": f"c{n // 3}", "kind": "backup", "origin": "scheduled", "token": f"t{n}",
        "state": "waiting" if waits else "failed" if n % 50 == 0 else "done", "storage": "nfs", "created_at": at,
        "due_at": at, "wake_at": at, "finished_at": None if waits else at - timedelta(minutes=n % 3000),
        "warnings": [], "data": {},
    }]  # fmt: skip


def its_log(n: int, at: datetime, _: Service) -> list[dict[str, Any]]:
    rare = n == 1000
    return [{
        "at": at - timedelta(seconds=n), "service_id": f"s{n}", "text": "vzdump",
        "actor": "staff (Rare)" if rare else "schedule", "action": "rare" if rare else "vzdump",
    }]  # fmt: skip


def fill(world: worlds.World, numbers: range) -> None:
    """Services with a life behind them."""
    at, like = now(), world.service()
    lives = ((Service, a_service), (Backup, its_backups), (Operation, its_operation), (AuditEntry, its_log))
    with world.context.database.begin() as session:
        for model, of in lives:
            rows = chain.from_iterable(of(n, at, like) for n in numbers)
            while batch := list(islice(rows, 5000)):
                session.execute(insert(model), batch)


@dataclass
class Work:
    """What a page cost: queries, instructions of SQLite's virtual machine in thousands, seconds of CPU."""

    queries: int = 0
    thousands: int = 0
    seconds: float = 0

    def instructed(self) -> int:
        self.thousands += 1
        return 0


@contextmanager
def counted(world: worlds.World) -> Iterator[Work]:
    engine, work = world.context.database.engine, Work()

    def count_queries(*_: Any) -> None:
        work.queries += 1

    def count_instructions(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(work.instructed, 1000)

    def count_no_more(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(None, 0)

    began = time.process_time()
    event.listen(engine, "before_cursor_execute", count_queries)
    event.listen(engine, "checkout", count_instructions)
    event.listen(engine, "checkin", count_no_more)
    yield work
    event.remove(engine, "before_cursor_execute", count_queries)
    event.remove(engine, "checkout", count_instructions)
    event.remove(engine, "checkin", count_no_more)
    work.seconds = time.process_time() - began


def measured(admin: StaffPages) -> dict[str, Work]:
    """What each page costs."""
    found = {}
    for name, query in PAGES.items():
        with counted(admin.world) as found[name]:
            admin.read(name.partition("#")[0], **query)
    return found


@pytest.mark.slow
def test_pages_stay_fast_with_very_many_services(admin: StaffPages) -> None:
    with admin.world.context.database.begin() as session:
        server = {"token_id": "a@b!c", "sealed_secret": b""}
        session.execute(insert(Server), [{"id": f"server{n}", "hosts": f"pve{n}", **server} for n in range(SERVERS)])
    fill(admin.world, range(FEW))
    few = measured(admin)
    fill(admin.world, range(FEW, MANY))
    many = measured(admin)

    for name, work in many.items():
        print(f"{name:26} {work}, with {FEW}: {few[name]}")  # noqa: T201 - for whoever runs it with -s
        # Not the seconds: a machine may be slow.
        assert work.queries == few[name].queries, name
        assert work.thousands <= MOST_PER_SERVICE * MANY / 1000, name
