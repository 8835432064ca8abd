"""Whether the parts that backups need work now: database, migrations, Redis, worker and clock. Each is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ..clock import heartbeats
from ..context import Context
from ..errors import Message
from ..migrations import running

PARTS = ("database", "migrations", "redis", "worker", "clock")
REDIS_TIMEOUT = 3
"""Seconds for connecting to Redis and for its answer."""


@dataclass(frozen=True)
class Part:
    """State of one part. `level` is ok, warning or error; `text` says what is wrong and what to do."""

    name: str
    level: str
    text: Message


def check_parts(context: Context) -> list[Part]:
    """Return the state of each of PARTS, in this order. What needs the database is an error without it."""
    found = {part.name: part for part in (_database(context), _redis(context))}
    if found["database"].level == "ok":
        found["migrations"] = _migrations(context)
    if "migrations" in found and found["migrations"].level == "ok":
        found |= _heartbeats(context)
    unknown = Message("It cannot be checked before the database works.")
    return [found.get(name) or Part(name, "error", unknown) for name in PARTS]


def process_levels(context: Context) -> dict[str, str]:
    """Return the levels of `clock` and `worker`: ok, warning, error, or unknown if the database does not answer."""
    try:
        with context.database.open() as session:
            levels = {part.name: part.level for part in heartbeats.processes(session)}
    except SQLAlchemyError:
        levels = {}
    return {name: levels.get(name, "unknown") for name in ("clock", "worker")}


def _try(name: str, attempt: Callable[[], object], failed: Message) -> Part:
    try:
        attempt()
    except (SQLAlchemyError, RedisError, OSError) as error:
        return Part(name, "error", Message(failed.text, reason=_reason(error)))
    return Part(name, "ok", Message("It works."))


def _reason(error: Exception) -> str:
    """Return the first line of an error; SQLAlchemy's further ones show the statement."""
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0][:200]


def _database(context: Context) -> Part:
    def attempt() -> None:
        with context.database.open() as session:
            session.execute(text("SELECT 1"))

    return _try("database", attempt, Message("The database does not answer: {reason}"))


def _redis(context: Context) -> Part:
    """Write a key of our own: a replica and a full Redis answer a PING too."""

    def attempt() -> None:
        with Redis.from_url(
            context.settings.redis_url, socket_connect_timeout=REDIS_TIMEOUT, socket_timeout=REDIS_TIMEOUT
        ) as connection:
            connection.set(f"{context.settings.queue}:readiness", "1", ex=60)

    return _try("redis", attempt, Message("Redis cannot be used: {reason}"))


def _migrations(context: Context) -> Part:
    if running.is_current(context.database.engine):
        return Part("migrations", "ok", Message("It works."))
    return Part("migrations", "error", running.OUTDATED)


def _heartbeats(context: Context) -> dict[str, Part]:
    with context.database.open() as session:
        components = heartbeats.components(session)
    return {
        part.name: Part(part.name, part.level, part.advice or Message("It works."))
        for part in components
        if part.name in PARTS
    }
