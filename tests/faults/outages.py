"""What our own side loses: jobs and Redis, the database, the mail server. Each is a fault like those of Proxmox."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import redis.exceptions
from rq import Queue
from sqlalchemy import Engine
from support import world as worlds

if TYPE_CHECKING:
    from .run import Run

WRITES = ("INSERT", "UPDATE", "DELETE")
LOCKED = "database is locked"
DROPPED = "server closed the connection"


class Jobs:
    """The queue in memory. `error` is what Redis answers at the moment, None while it is well."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, tuple[str, ...]]] = []
        self.error: Exception | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take the jobs that the product puts into RQ's queue, and its notes that a sync was asked for."""

        def put(_: Queue, function: Callable[..., object], *arguments: str, **__: object) -> None:
            if self.error:
                raise self.error
            self.waiting.append((function.__name__, arguments))

        def noted(*_: object, **__: object) -> bool:
            if self.error:
                raise self.error
            return True

        with mock.patch.object(Queue, "enqueue", put), mock.patch.object(redis.Redis, "set", noted):
            yield

    def taken(self) -> list[tuple[str, tuple[str, ...]]]:
        """Take all jobs out of the queue, as far as Redis answers."""
        if self.error:
            return []
        found, self.waiting = self.waiting, []
        return found


class Database:
    """Makes statements of an engine fail: with `kind` so many `times`, after `skip` others, or until a moment."""

    def __init__(self) -> None:
        self.kind, self.skip, self.times, self.until = "", 0, 0, 0.0

    def fail(self, kind: str, *, skip: int = 0, times: int = 1, until: float = 0.0) -> None:
        """Plan errors: `locked` (a conflict), `dropped` (the connection), `lost-commit` (committed, not told)."""
        self.kind, self.skip, self.times, self.until = kind, skip, times, until

    @contextmanager
    def failing(self, engine: Engine, now: Callable[[], float]) -> Iterator[None]:
        """Put the planned errors between SQLAlchemy and the driver."""
        dialect, patch = engine.dialect, mock.patch.object
        execute, commit = dialect.do_execute, dialect.do_commit

        def executed(cursor: Any, statement: str, *args: Any) -> None:
            if statement.startswith(WRITES):
                self._reached(now())
            execute(cursor, statement, *args)

        def committed(connection: Any) -> None:
            if self.kind == "lost-commit":
                commit(connection)
                self._reached(now())
                return
            self._reached(now())
            commit(connection)

        def gone(error: Exception, *_: Any) -> bool:
            return DROPPED in str(error)

        statements, commits = patch(dialect, "do_execute", executed), patch(dialect, "do_commit", committed)
        with statements, commits, patch(dialect, "is_disconnect", gone):
            yield

    def _reached(self, now: float) -> None:
        if not self.kind or (self.until and now >= self.until):
            self.kind = ""
            return
        self.skip -= 1
        if self.skip >= 0:
            return
        self.times -= 1
        kind = self.kind
        if self.times <= 0 and not self.until:
            self.kind = ""
        raise sqlite3.OperationalError(LOCKED if kind == "locked" else DROPPED)


class MailServer:
    """Takes the mails of the host's `send_email`. `down`: it refuses."""

    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []
        self.down = False

    def send(self, email: EmailMessage) -> None:
        """Take a mail, or raise."""
        if self.down:
            raise ConnectionRefusedError("simulated: the mail server is down")
        self.sent.append(email)


class Host(worlds.Host):
    """The billing application, with a mail server of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mails = MailServer()

    def send_email(self, email: EmailMessage) -> None:
        """Hand a mail to the mail server."""
        self.mails.send(email)


def redis_away(run: Run) -> None:
    """Redis is gone, read-only, full or refuses for a while; jobs that come meanwhile are lost."""
    kinds = redis.exceptions.ConnectionError, redis.exceptions.ReadOnlyError, redis.exceptions.ResponseError
    run.jobs.error = run.rng.choice(kinds)("simulated")
    run.count(f"redis {type(run.jobs.error).__name__}")
    run.then(run.rng.randrange(60, 7200), partial(setattr, run.jobs, "error", None))


def redis_emptied(run: Run) -> None:
    """All jobs are lost at once, a few of them while their worker waits."""
    run.jobs.waiting.clear()
    run.count("redis emptied")


def jobs_repeated(run: Run) -> None:
    """Jobs come twice and in another order."""
    run.jobs.waiting += run.jobs.waiting
    run.rng.shuffle(run.jobs.waiting)
    run.count("jobs repeated")


def jobs_forged(run: Run) -> None:
    """Somebody with access to Redis names operations that ended, and what does not exist."""
    known = [one.id for tenant in run.tenants for one in run.world.operations(tenant.id)]
    forged = [("advance", (one,)) for one in [*run.rng.sample(known, min(3, len(known))), "nobody's", ""]]
    run.jobs.waiting += [*forged, ("poll", ("nowhere", "pve9")), ("poll", ("nowhere", "pve1"))]
    run.count("jobs forged")


def database_conflict(run: Run) -> None:
    """A deadlock or a lock that is not given: the transaction is undone, and may be repeated."""
    run.database.fail("locked", skip=run.rng.randrange(60), times=run.rng.choice((1, 1, 2)))
    run.count("database conflict")


def database_dropped(run: Run) -> None:
    """The connection is lost, in a statement or in a COMMIT that took effect or did not."""
    run.record.faulty = True
    kind = run.rng.choice(("dropped", "lost-commit"))
    run.database.fail(kind, skip=run.rng.randrange(60), times=run.rng.choice((1, 2, 5)))
    run.count(f"database {kind}")


def database_away(run: Run) -> None:
    """The database refuses for half a minute."""
    run.record.faulty = True
    run.database.fail("dropped", skip=run.rng.randrange(60), until=run.clock.now() + 30)
    run.count("database away")


def mail_down(run: Run) -> None:
    """The mail server refuses for a while."""
    run.mails.down = True
    run.count("mail server down")
    run.then(run.rng.randrange(60, 40_000), partial(setattr, run.mails, "down", False))


OUTAGES: dict[Callable[[Run], None], int] = {
    redis_away: 2, redis_emptied: 1, jobs_repeated: 2, jobs_forged: 1, database_conflict: 2, database_dropped: 2,
    database_away: 1, mail_down: 2,
}  # fmt: skip
"""What goes wrong on our side, and how often."""


def heal(run: Run) -> None:
    """End all of it."""
    run.jobs.error, run.database.kind, run.mails.down, run.record.faulty = None, "", False, False
