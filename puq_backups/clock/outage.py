"""Failures in a row of a process that goes on by itself: one line each, with growing pauses."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ..migrations import running

log = logging.getLogger("puq_backups")
PAUSES = (1, 2, 4, 8, 15, 30)
"""Seconds before the next attempt; the last one repeats."""


def describe(error: Exception, engine: Engine | None = None) -> str:
    """Return one line for operators: what does not work, by the setting that says where it is, and why.

    With `engine`, tables that were not upgraded are recognized.
    """
    if isinstance(error, SQLAlchemyError):
        if engine is not None and running.explains(error, engine):
            return str(running.OUTDATED)
        # The further lines of SQLAlchemy show the statement.
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        return f"The database at SQLALCHEMY_DATABASE_URI does not do its work: {reason[:200]}"
    said = " ".join(str(error).split())[:200]
    if isinstance(error, RedisError):
        return f"Redis at PUQ_BACKUPS_REDIS_URL cannot be used: {said}"
    return f"{type(error).__name__}: {said}"


class Outage:
    """Counts the failures of `who` since its last success."""

    def __init__(self, who: str, engine: Engine | None = None) -> None:
        self.who, self.engine, self.failures = who, engine, 0

    def failed(self, error: Exception) -> float:
        """Log the failure in one line. Returns the seconds to wait before the next attempt."""
        pause = PAUSES[min(self.failures, len(PAUSES) - 1)]
        self.failures += 1
        log.warning("%s waits: %s; again in %d s", self.who, describe(error, self.engine).removesuffix("."), pause)
        return pause

    def over(self) -> None:
        """Note a success, and log it if it ends an outage."""
        if self.failures:
            log.warning("%s goes on after %d failures", self.who, self.failures)
        self.failures = 0
