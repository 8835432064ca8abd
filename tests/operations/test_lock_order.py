"""A step's commit locks rows in the order in which requests do: first the service, the operation last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from support import world as worlds

STEP = "operation of a step"


@contextmanager
def written(world: worlds.World) -> Iterator[list[list[str]]]:
    """The tables that each transaction updates, in order; STEP where a step's commit writes its operation."""
    transactions: list[list[str]] = [[]]

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if found := re.match(r"UPDATE puq_backups_(\w+) ", statement):
            is_step = found[1] == "operation" and "enqueued_at" in statement and "lease_until >" in statement
            transactions[-1].append(STEP if is_step else found[1])

    def end(_: Any) -> None:
        transactions.append([])

    engine = world.context.database.engine
    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", end)
    yield transactions
    event.remove(engine, "before_cursor_execute", note)
    event.remove(engine, "commit", end)


def test_step_writes_its_operation_last_and_a_service_is_locked_first(world: worlds.World) -> None:
    world.register()
    with written(world) as transactions:
        backup = world.back_up()
        world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
        world.drain()

    steps = [tables for tables in transactions if STEP in tables]
    assert any(len(tables) > 1 for tables in steps)
    # The service's protection is computed at the very end; its row is locked since the beginning.
    assert [tables for tables in steps if set(tables[tables.index(STEP) + 1 :]) - {"service"}] == []
    # Only a start locks anything before the service: its server, so that starts count one after the other.
    first = [tables[: tables.index("service")] for tables in transactions if "service" in tables]
    assert {name for tables in first for name in tables} == {"server"}
