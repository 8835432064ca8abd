"""The order of the queue, and that its cost does not depend on how many operations wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from support.bare_host import mount

from bench import counting, fill
from puq_backups.context import Context
from puq_backups.models import Operation, Service, now
from puq_backups.operations import dispatch, queue

MOST_QUERIES = 20


@pytest.fixture
def context(any_database_url: str) -> Context:
    _, backups = mount(any_database_url)
    fill.server(backups.context)
    return backups.context


def add_waiting(context: Context, clients: list[str], node: str = "pve0", **more: Any) -> list[str]:
    """Waiting backups, one service each, due one second after another. Returns their ids."""
    at = now() - timedelta(hours=1)
    with context.database.begin() as session:
        first = len(session.scalars(select(Service.id)).all())
        owners = [fill.service(first + n, client_id=client, node=node) for n, client in enumerate(clients)]
        rows = [fill.operation(owner, 0, "waiting", at + timedelta(seconds=n)) for n, owner in enumerate(owners)]
        fill.add_rows(session, Service, owners)
        fill.add_rows(session, Operation, [{**row, **more} for row in rows])
    return [row["id"] for row in rows]


def running(context: Context) -> list[Operation]:
    with context.database.open() as session:
        found = select(Operation).where(Operation.state == "running").order_by(Operation.started_at)
        return list(session.scalars(found))


def end(context: Context, operation_id: str, **values: Any) -> None:
    """End a running backup as its worker does."""
    done = {"state": "done", "lock": None, "finished_at": now(), **values}
    with context.database.begin() as session:
        session.execute(update(Operation).where(Operation.id == operation_id).values(**done))


def served(context: Context) -> Iterator[Operation]:
    """The backups of one node in the order in which they start, each ended before the next."""
    dispatch.start_waiting(context)
    while found := running(context):
        (one,) = found
        yield one
        end(context, one.id)
        dispatch.start_waiting(context, one.id)


def test_end_of_a_backup_costs_the_same_whatever_waits(context: Context) -> None:
    first, *_ = add_waiting(context, [f"client{n % 40}" for n in range(3)])
    dispatch.start_waiting(context)
    end(context, first)
    with counting.counted(context.database.engine) as few:
        assert dispatch.start_waiting(context, first) == 1

    (second,) = running(context)
    add_waiting(context, [f"client{n % 40}" for n in range(300)])
    for node in range(1, 8):
        add_waiting(context, [f"client{n % 40}" for n in range(100)], f"pve{node}")
    end(context, second.id)
    with counting.counted(context.database.engine) as many:
        assert dispatch.start_waiting(context, second.id) == 1

    assert many.queries == few.queries <= MOST_QUERIES


def test_client_with_many_machines_does_not_go_before_those_with_one(context: Context) -> None:
    add_waiting(context, ["big"] * 4 + [f"small{n}" for n in range(12)])

    order = [one.client_id for one in served(context)]

    assert order[0] == "big"
    assert order[1:13] == [f"small{n}" for n in range(12)]
    assert order[13:] == ["big"] * 3


@pytest.mark.flow
def test_turns_are_remembered_when_more_backups_come_due(context: Context) -> None:
    add_waiting(context, ["big"] * 4 + ["small"])
    serving = served(context)
    assert [next(serving).client_id, next(serving).client_id] == ["big", "small"]

    add_waiting(context, ["small", "new"])

    assert [one.client_id for one in serving] == ["new", "big", "small", "big", "big"]


@pytest.mark.flow
def test_position_shown_is_the_order_in_which_backups_start(context: Context) -> None:
    add_waiting(context, ["a", "a", "a", "b", "a", "c", "b", "b", "c", "d"] * 2)
    with context.database.open() as session:
        shown = queue.positions(session, {("server", "pve0")})

    assert [one.id for one in served(context)] == sorted(shown, key=lambda key: shown[key])


def test_every_node_with_work_is_busy(context: Context) -> None:
    # More wait on the first node, all due before the others.
    add_waiting(context, ["big"] * 300, "pve0")
    for node in range(1, 20):
        add_waiting(context, ["one"], f"pve{node}")

    dispatch.start_waiting(context)

    assert Counter(one.node for one in running(context)) == {f"pve{node}": 1 for node in range(20)}


def test_work_of_all_nodes_is_done_in_as_many_rounds_as_the_fullest_has_backups(context: Context) -> None:
    for node in range(6):
        add_waiting(context, ["big", "big", "big", f"small{node}", "other"][: 5 - node % 2], f"pve{node}")

    rounds = 0
    while dispatch.start_waiting(context):
        rounds += 1
        for one in running(context):
            end(context, one.id)

    assert rounds == 5


def test_waiting_operation_follows_its_machine_to_another_node(context: Context) -> None:
    (first,) = add_waiting(context, ["a"])
    with context.database.begin() as session:
        session.get_one(Service, "s0").node = "pve7"

    with context.database.open() as session:
        assert queue.positions(session, {("server", "pve7")}) == {first: 1}
        assert queue.positions(session, {("server", "pve0")}) == {}


def test_limit_per_storage_holds_over_all_nodes(any_database_url: str) -> None:
    _, backups = mount(any_database_url, per_storage=2)
    context = backups.context
    fill.server(context)
    for node in range(4):
        add_waiting(context, ["a", "b"], f"pve{node}")

    dispatch.start_waiting(context)
    first, second = running(context)
    end(context, first.id)
    dispatch.start_waiting(context, first.id)

    assert len(running(context)) == 2
    assert {second.node} < {one.node for one in running(context)}


def test_queues_of_any_number_of_nodes_have_the_same_statements(context: Context) -> None:
    """What is compiled is kept: a statement for each number would fill the memory of a worker."""
    for number in range(8):
        add_waiting(context, ["client"], node=f"pve{number}")
    counts = []
    with counting.compiled(context.database) as statements, context.database.open() as session:
        for number in range(1, 9):
            queue.in_order(session, [queue.Place("server", f"pve{one}") for one in range(number)])
            counts.append(len(statements))

    assert counts[0] > 0
    assert counts[1:] == counts[:1] * 7
