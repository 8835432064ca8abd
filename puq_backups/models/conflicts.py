"""Database errors that pass by themselves: deadlocks, lock timeouts, lost connections. Repeats what met one."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 6
PAUSE = 0.05
"""Seconds before the first repetition; doubled each time, with some chance, so that two do not meet again."""

POSTGRESQL_STATES = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available."""
MARIADB_CODES = frozenset({1020, 1205, 1213})
"""Record changed since last read, lock wait timeout, deadlock."""
SQLITE_WORDS = ("database is locked", "database table is locked", "database schema is locked")

commits: ContextVar[int] = ContextVar("puq_backups_commits", default=0)
"""Transactions of ours that were committed in this thread of execution."""


def is_conflict(error: SQLAlchemyError) -> bool:
    """Whether the same transaction may succeed when it is run again."""
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    code = cause.args[0] if cause is not None and cause.args else None
    return (
        error.connection_invalidated
        or getattr(cause, "sqlstate", None) in POSTGRESQL_STATES
        or code in MARIADB_CODES
        or any(word in str(cause) for word in SQLITE_WORDS)
    )


def may_be_repeated(error: SQLAlchemyError) -> bool:
    """Whether it is certain that nothing was committed. Without a statement the connection was lost in a COMMIT."""
    lost_in_commit = isinstance(error, DBAPIError) and error.connection_invalidated and error.statement is None
    return is_conflict(error) and not lost_in_commit


def repeated(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: run the function again if a conflict stopped it before it had committed anything.

    The function must do nothing but database work before its first commit.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(TRIES):
            before = commits.get()
            try:
                return function(*args, **kwargs)
            except SQLAlchemyError as error:
                if attempt + 1 == TRIES or commits.get() != before or not may_be_repeated(error):
                    raise
            time.sleep(PAUSE * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        raise AssertionError("not reached")

    return run
