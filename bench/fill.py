"""Fills a database with a provider's services and their past, in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from puq_backups.context import Context
from puq_backups.models import Backup, Base, Operation, Server, Service, now

BATCH = 5000
PACKAGE = {"backups": 3, "storage": "pbs"}


def schedule(time: str) -> dict[str, Any]:
    """A schedule with a backup each day at `time` (HH:MM, UTC)."""
    return {"timezone": "UTC", "days": [{"day": day, "enabled": True, "time": time} for day in range(7)]}


def add_rows(session: Session, model: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows in batches, in the caller's transaction."""
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        session.execute(insert(model), batch)


def server(context: Context, server_id: str = "server") -> None:
    """Add a server where nothing listens."""
    with context.database.begin() as session:
        session.add(
            Server(
                id=server_id, hosts="127.0.0.1", port=9, token_id=f"panel@pve!{server_id}",
                sealed_secret=context.vault.seal("secret"),
            )
        )  # fmt: skip


def service(
    number: int, *, nodes: int = 50, clients: int = 3, server_id: str = "server", **more: Any
) -> dict[str, Any]:
    """The row of service `s<number>`; `clients` is the number of services of one client."""
    at = now()
    return {
        "id": f"s{number}", "client_id": f"c{number // clients}", "server_id": server_id, "vmid": 100 + number,
        "active_vmid": 100 + number, "node": f"pve{number % nodes}", "token": f"t{number}", "status": "active",
        "created_at": at - timedelta(days=500), "domain": f"host{number}.example", "client": {}, "package": PACKAGE,
        "quota": 3, "schedule": schedule("02:00"), "next_run_at": at + timedelta(hours=5),
        "next_run_date": (at + timedelta(hours=5)).date().isoformat(), "slots_from": at,
        "last_good_at": at - timedelta(days=1), **more,
    }  # fmt: skip


def operation(owner: dict[str, Any], number: int, state: str, at: datetime, **more: Any) -> dict[str, Any]:
    """The row of a scheduled backup of a service, due at `at`. Ended states end at that time too."""
    live = state in {"waiting", "running", "stuck"}
    return {
        "id": f"o{owner['id']}-{number}", "service_id": owner["id"], "client_id": owner["client_id"],
        "server_id": owner["server_id"], "node": owner["node"], "kind": "backup", "origin": "scheduled",
        "slot_date": (at - timedelta(days=number)).date().isoformat(), "token": f"{owner['id']}-{number}",
        "state": state, "storage": "pbs", "created_at": at, "due_at": at, "wake_at": at,
        "started_at": None if state == "waiting" else at, "finished_at": None if live else at,
        "lock": owner["id"] if live and state != "waiting" else None, **more,
    }  # fmt: skip


def backup(owner: dict[str, Any], number: int, at: datetime, **more: Any) -> dict[str, Any]:
    """The row of a good backup of a service."""
    return {
        "id": f"b{owner['id']}-{number}", "service_id": owner["id"], "server_id": owner["server_id"],
        "client_id": owner["client_id"], "operation_id": f"o{owner['id']}-{number}", "vmid": owner["vmid"],
        "volid": f"pbs:backup/vm/{owner['vmid']}/{at.isoformat()}-{number}", "storage": "pbs", "kind": "scheduled",
        "local_date": at.date().isoformat(), "slot_date": at.date().isoformat(), "size": 10**10, "disks": 1,
        "created_at": at, "seen_at": at, **more,
    }  # fmt: skip


def provider(context: Context, services: range, *, ended: int = 3, backups: int = 3, **more: Any) -> None:
    """Add services, each with `ended` operations of earlier days and as many `backups`."""
    at = now()
    with context.database.begin() as session:
        add_rows(session, Service, (service(number, **more) for number in services))
        add_rows(session, Operation, _past(services, ended, more, at))
        made = ((service(number, **more), day) for number in services for day in range(backups))
        add_rows(session, Backup, (backup(owner, day, at - timedelta(days=day + 1)) for owner, day in made))


def _past(services: range, ended: int, more: dict[str, Any], at: datetime) -> Iterator[dict[str, Any]]:
    return chain.from_iterable(
        (operation(service(number, **more), day, "done", at - timedelta(days=day + 1)) for day in range(ended))
        for number in services
    )
