"""Figures of pages: the client's page and `/state` at 1, 100 and 1,000 backups; the staff's pages."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient
from support.bare_host import Host
from werkzeug.test import TestResponse

from puq_backups import Actor
from puq_backups.context import Context
from puq_backups.models import Backup, Service, now

from . import counting, fill
from .report import Figure

CLIENT, STAFF = Actor(client_id="reader", timezone="UTC"), Actor(is_staff=True, name="staff")
SIZES = {1: 15, 100: 25, 1000: 25}
"""Backups of a service, and the milliseconds of CPU that its page may take."""
STAFF_PAGES = {"first page": "/", "services": "/services", "operations": "/operations", "activity": "/activity"}
ROUNDS = 7


@dataclass(frozen=True)
class Cost:
    """The median of some equal requests: CPU and elapsed milliseconds, queries; the size of the answer in bytes."""

    cpu: float
    elapsed: float
    queries: int
    size: int


def figures(app: Flask, context: Context, host: Host, services: int, kind: str) -> list[Figure]:
    """Measure on a database that holds a provider of so many services; adds three services of a client."""
    client = app.test_client()
    return [*_staff(client, context, host, services, kind), *_client(client, context, host, kind)]


def _staff(client: FlaskClient, context: Context, host: Host, services: int, kind: str) -> list[Figure]:
    host.actor = STAFF
    found = []
    for name, path in STAFF_PAGES.items():
        cost = _request(context, lambda path=path: client.get(f"/admin/backups{path}"), 200)  # type: ignore[misc]  # bound at once
        what = f"{kind}: staff's {name}, {services:,} services: elapsed, {cost.queries} queries"
        found.append(Figure(what, cost.elapsed, "≤ 300 ms", unit=" ms"))
    return found


def _client(client: FlaskClient, context: Context, host: Host, kind: str) -> list[Figure]:
    host.actor, found = CLIENT, []
    for number, (backups, goal) in enumerate(SIZES.items()):
        service_id = _service(context, 10**7 + number, backups)
        address = f"/services/{service_id}/backups/"
        page = _request(context, lambda: client.get(address), 200)  # noqa: B023 - called at once
        tag = client.get(f"{address}state").headers["ETag"]
        state = _request(context, lambda: client.get(f"{address}state", headers={"If-None-Match": tag}), 304)  # noqa: B023
        found += [
            Figure(
                f"{kind}: page of {backups:,} backups, {page.size / 1000:.0f} kB: CPU",
                page.cpu,
                f"≤ {goal} ms",
                unit=" ms",
            ),
            Figure(f"{kind}: the same, queries", page.queries, "≤ 8"),
            Figure(f"{kind}: its `/state`, unchanged: CPU", state.cpu, "≤ 2 ms", unit=" ms"),
            Figure(f"{kind}: the same, queries", state.queries, "≤ 2"),
        ]
    return found


def _service(context: Context, number: int, backups: int) -> str:
    """Add a service of CLIENT with so many backups, one a night; returns its id."""
    at = now()
    owner = fill.service(number) | {"client_id": CLIENT.client_id, "quota": backups + 1}
    with context.database.begin() as session:
        fill.add_rows(session, Service, [owner])
        rows = (fill.backup(owner, night, at - timedelta(days=night + 1)) for night in range(backups))
        fill.add_rows(session, Backup, rows)
    return str(owner["id"])


def _request(context: Context, ask: Callable[[], TestResponse], status: int) -> Cost:
    """Ask some times; the first one compiles and is not counted."""
    found = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        with counting.counted(context.database.engine) as cost:
            answer = ask()
        if answer.status_code != status:
            raise RuntimeError(f"{answer.request.path} answered {answer.status_code}")
        found.append((cost.seconds * 1000, (time.perf_counter() - began) * 1000))
    cpu, elapsed = (statistics.median(part) for part in zip(*found[1:], strict=True))
    return Cost(cpu, elapsed, cost.queries, len(answer.data))
