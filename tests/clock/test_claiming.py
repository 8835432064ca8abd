"""Claiming due slots: few queries for many services, and one bad row stops nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from support.bare_host import mount

from bench import counting, fill
from puq_backups.clock import slots, tick
from puq_backups.context import Context
from puq_backups.models import Operation, Service, now

MOST_QUERIES = 3
QUIET_TICK = 9
"""Queries of a tick with nothing to do: one for each part, and one that stores the heartbeat."""


@pytest.fixture
def context(any_database_url: str) -> Context:
    _, backups = mount(any_database_url)
    fill.server(backups.context)
    return backups.context


def add_due(context: Context, numbers: range) -> None:
    due = now() - timedelta(minutes=5)
    at = {"next_run_at": due, "next_run_date": due.date().isoformat(), "slots_from": due - timedelta(hours=1)}
    fill.provider(context, numbers, ended=2, schedule=fill.schedule(f"{due:%H:%M}"), **at)


def waiting(context: Context) -> list[str]:
    with context.database.open() as session:
        found = select(Operation.service_id).where(Operation.state == "waiting").order_by(Operation.service_id)
        return list(session.scalars(found))


@pytest.mark.flow
def test_claiming_takes_few_queries_a_slot(context: Context) -> None:
    add_due(context, range(3 * slots.BATCH))

    with counting.counted(context.database.engine) as cost:
        assert slots.claim_due(context) == 3 * slots.BATCH

    assert len(waiting(context)) == 3 * slots.BATCH
    assert cost.queries <= MOST_QUERIES * 3 * slots.BATCH
    # Not all of them together, either: a batch costs about as much as one service.
    assert cost.queries <= 20 * 4


def test_claiming_locks_each_service_once(context: Context) -> None:
    add_due(context, range(3))

    slots.claim_due(context)

    with context.database.open() as session:
        assert session.scalars(select(Service.version)).all() == [1, 1, 1]


def test_claiming_twice_makes_one_operation_of_a_slot(context: Context) -> None:
    add_due(context, range(5))

    assert slots.claim_due(context) == 5
    assert slots.claim_due(context) == 0
    assert waiting(context) == [f"s{number}" for number in range(5)]


def test_service_that_cannot_be_claimed_stops_nobody(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    add_due(context, range(5))
    with context.database.begin() as session:
        bad = session.get_one(Service, "s2")
        bad.schedule = {**bad.schedule, "timezone": "America/Not_Here_Yet"}

    slots.claim_due(context)

    assert waiting(context) == ["s0", "s1", "s3", "s4"]
    assert "slot s2 is set aside" in caplog.text


@pytest.mark.flow
def test_tick_goes_on_where_claiming_takes_long(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    add_due(context, range(2 * slots.BATCH))
    monkeypatch.setattr(slots, "LONGEST_CLAIM", 1e-9)

    assert slots.claim_due(context) == 0

    monkeypatch.undo()
    assert slots.claim_due(context) == 2 * slots.BATCH


@pytest.mark.flow
def test_chores_that_are_not_due_cost_one_query(any_database_url: str) -> None:
    _, backups = mount(any_database_url)
    few = _queries_of_a_tick(backups.context, range(2))
    many = _queries_of_a_tick(backups.context, range(2, 12))

    assert many == few <= QUIET_TICK


def _queries_of_a_tick(context: Context, servers: range) -> int:
    for number in servers:
        fill.server(context, f"server{number}")
    tick.tick(context)
    with counting.counted(context.database.engine) as cost:
        tick.tick(context)
    return cost.queries
