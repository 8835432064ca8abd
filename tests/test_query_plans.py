"""The plans of the queries that the clock and the workers make all day: none scans a table that grows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from support.bare_host import mount

from bench import databases, fill
from puq_backups.clock import chores, protection, slots, tick
from puq_backups.context import Context
from puq_backups.models import Operation, Service, now
from puq_backups.operations import dispatch, node_watch, queue
from puq_backups.staff import metrics

pytestmark = pytest.mark.slow

SERVICES = 3000
GROWING = ("service", "operation", "backup", "audit", "mail")
COUNTED = "ix_puq_backups_service_counted"
"""Metrics count all services, and read this small index alone."""
Statement = tuple[str, Any]


@pytest.fixture
def context(any_database_url: str) -> Context:
    """A provider with a past; a few operations wait, run, and are due."""
    _, backups = mount(any_database_url)
    context = backups.context
    fill.server(context)
    fill.provider(context, range(SERVICES), ended=3)
    at = now() - timedelta(minutes=5)
    owners = [fill.service(number) for number in range(SERVICES, SERVICES + 40)]
    with context.database.begin() as session:
        fill.add_rows(session, Service, owners)
        fill.add_rows(session, Operation, (
            fill.operation(
                owner, 0, "running" if number % 2 else "waiting", at,
                upid=f"UPID:pve:{number}" if number % 2 else None,
            )
            for number, owner in enumerate(owners)
        ))  # fmt: skip
    # Housekeeping of its own, which reads what it compares or deletes.
    for name in ("sync server", "vms server", "history", "owners"):
        chores.ensure_row(context, name)
        owner = "test"
        assert chores.acquire_lease(context, name, owner, timedelta(hours=1))
        chores.finish(context, name, owner, now() + timedelta(days=1))
    return context


def recorded(engine: Engine) -> Iterator[list[Statement]]:
    found: list[Statement] = []

    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", keep)
    yield found
    event.remove(engine, "before_cursor_execute", keep)


def statements(context: Context) -> list[Statement]:
    """What a tick, the jobs of a worker and a scrape of the metrics ask."""
    recording = recorded(context.database.engine)
    found = next(recording)
    place = queue.Place("server", "pve0")
    slots.claim_due(context)
    queue.enqueue_due(context)
    with context.database.open() as session:
        queue.running_backups(session)
        queue.places_waiting(session)
        queue.in_order(session, [place, queue.Place("server", "pve2")])
        queue.next_wake(session)
    tick.tick(context)
    protection.refresh_due(context)
    dispatch.start_waiting(context)
    node_watch.poll(context, place)
    assert metrics.read_facts(context)
    next(recording, None)
    return [(text, given) for text, given in found if text.startswith(("SELECT", "UPDATE", "DELETE"))]


def scans(connection: Connection, statement: Statement) -> list[str]:
    """The lines of a statement's plan that scan a growing table."""
    text, parameters = statement
    many = isinstance(parameters, list)
    given = parameters[0] if many else parameters
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all()
        lines = [str(row[-1]) for row in rows]
        return [line for line in lines if line.startswith("SCAN") and _grows(line)]
    if connection.dialect.name == "postgresql":
        rows = connection.exec_driver_sql(f"EXPLAIN {text}", given).all()
        return [str(row[0]) for row in rows if "Seq Scan" in str(row[0]) and _grows(str(row[0]))]
    plan = connection.exec_driver_sql(f"EXPLAIN {text}", given).mappings().all()
    return [
        str(dict(row))
        for row in plan
        if row["type"] in {"ALL", "index"} and row["key"] != COUNTED and int(row["rows"] or 0) > SERVICES / 2
    ]


def _grows(line: str) -> bool:
    return any(re.search(rf"\bpuq_backups_{name}\b", line) for name in GROWING)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh statistics", "no statistics"])
def test_no_query_scans_a_table_that_grows(context: Context, fresh: bool) -> None:
    # SQLite keeps no statistics unless somebody runs ANALYZE.
    if fresh and context.database.engine.dialect.name != "sqlite":
        databases.fresh_statistics(context)
    asked = statements(context)
    with context.database.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # Whether there is a way without a scan, not whether one pays on tables as small as these.
            connection.exec_driver_sql("SET enable_seqscan = off")
        found = {text: lines for text, given in asked if (lines := scans(connection, (text, given)))}

    assert len({text for text, _ in asked}) > 20
    assert found == {}
