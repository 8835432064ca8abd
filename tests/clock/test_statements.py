"""How many statements the clock's work takes: of a chore that is due, of services whose protection is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from support.bare_host import mount

from bench import counting, fill
from puq_backups.clock import chores, protection
from puq_backups.context import Context
from puq_backups.models import Chore, Service, leases, now

HOUR = timedelta(hours=1)
FOR_ALL = 7
"""Queries that find the services, lock them, read them with what counts, and see what was set aside."""


@pytest.fixture
def context(any_database_url: str) -> Context:
    _, backups = mount(any_database_url)
    return backups.context


def test_due_chore_takes_two_statements(context: Context) -> None:
    chores.ensure_row(context, "purge")

    with counting.counted(context.database.engine) as cost:
        assert chores.run_due(context, "purge", HOUR, list)

    assert cost.queries == 2
    assert not chores.run_due(context, "purge", HOUR, list)


def test_lease_is_counted_by_the_databases_time(context: Context) -> None:
    mine, other = leases.new_owner(), leases.new_owner()

    assert chores.acquire_lease(context, "clock", mine, HOUR)
    with context.database.open() as session:
        lasts = session.get_one(Chore, "clock").lease_until
    assert lasts is not None
    assert abs(lasts - now() - HOUR) < timedelta(minutes=1)
    assert not chores.acquire_lease(context, "clock", other, HOUR)
    # Another machine's process, of which nobody here can say that it has ended.
    with context.database.begin() as session:
        session.execute(update(Chore).values(lease_owner="elsewhere|1|1|a"))
    assert not chores.acquire_lease(context, "clock", mine, HOUR)
    with context.database.begin() as session:
        session.execute(update(Chore).values(lease_until=now() - timedelta(minutes=1)))
    assert chores.acquire_lease(context, "clock", mine, HOUR)


def test_protection_of_many_services_takes_as_many_queries_as_that_of_one(context: Context) -> None:
    fill.server(context)
    fill.provider(context, range(12), ended=2, protection_changes_at=None)

    assert _queries(context, {"s0"}) == _queries(context, {f"s{number}" for number in range(12)}) <= FOR_ALL


def test_protection_of_any_number_of_services_has_few_statements(context: Context) -> None:
    """What is compiled is kept: a statement for each number would fill the memory of the clock."""
    fill.server(context)
    fill.provider(context, range(16), ended=1, backups=1)
    counts = []
    with counting.compiled(context.database) as statements:
        for number in range(9, 17):
            _queries(context, {f"s{one}" for one in range(number)})
            counts.append(len(statements))

    assert counts[0] > 0
    assert counts[1:] == counts[:1] * 7


def _queries(context: Context, service_ids: set[str]) -> int:
    """Those of computing how the services are protected, and of writing nothing else."""
    with context.database.begin() as session:
        due = update(Service).where(Service.id.in_(service_ids)).values(protection_changes_at=now() - HOUR)
        session.execute(due)
    with counting.counted(context.database.engine) as cost:
        assert protection.refresh_due(context) == len(service_ids)
    return sum(statement.startswith("SELECT") for statement in cost.statements)
