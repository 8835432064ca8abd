"""Counts what a piece of work costs: queries, rows written, CPU time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

from puq_backups.models.database import Database


class Counted(list[str]):
    """A list that keeps nothing: for work of so many statements that only their rows count."""

    def append(self, _: str) -> None:
        """Keep nothing."""


@dataclass
class Cost:
    """The statements of a piece of work, the number of rows that it wrote, and its seconds of CPU."""

    statements: list[str] = field(default_factory=list)
    rows_written: int = 0
    seconds: float = 0.0

    @property
    def queries(self) -> int:
        """The number of statements, settings of the connection aside."""
        return sum(not statement.startswith("PRAGMA") for statement in self.statements)

    @property
    def writes(self) -> int:
        """The number of statements that write."""
        return sum(statement.startswith(("INSERT", "UPDATE", "DELETE")) for statement in self.statements)


@contextmanager
def compiled(database: Database) -> Iterator[dict[Any, Any]]:
    """What SQLAlchemy compiles for the sessions of `database` inside the block, and would keep."""
    with database.open() as session:
        engine: Any = session.get_bind()
    before, found = engine.get_execution_options(), dict[Any, Any]()
    engine.update_execution_options(compiled_cache=found)
    try:
        yield found
    finally:
        engine.update_execution_options(compiled_cache=before.get("compiled_cache", engine._compiled_cache))  # noqa: SLF001


@contextmanager
def counted(engine: Engine) -> Iterator[Cost]:
    """Count what is done on `engine` inside the block."""
    cost = Cost()

    def after(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        cost.statements.append(statement)
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            cost.rows_written += max(cursor.rowcount, 0)

    event.listen(engine, "after_cursor_execute", after)
    began = time.process_time()
    try:
        yield cost
    finally:
        cost.seconds = time.process_time() - began
        event.remove(engine, "after_cursor_execute", after)
