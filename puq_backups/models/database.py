"""Our own sessions on the host's engine: the host's session is never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction

from .audit import AuditEntry

CLOCK = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS.US')",
    "mysql": "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f')",
}


class Database:
    """Opens sessions on the engine that `engine()` gives (asked each time: it may differ by application).

    `on_audit` is given each audit entry after its commit.
    """

    def __init__(self, engine: Callable[[], Engine], on_audit: Callable[[AuditEntry], object] | None = None) -> None:
        self._engine = engine
        self._on_audit = on_audit

    @property
    def engine(self) -> Engine:
        return self._engine()

    def open(self) -> Session:
        """A session whose objects stay readable after a commit, without a transaction being open."""
        session = Session(self.engine, expire_on_commit=False)
        event.listen(session, "after_begin", _began)
        event.listen(session, "after_flush", self._flushed)
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_transaction_end", _ended)
        return session

    def _flushed(self, session: Session, _: UOWTransaction) -> None:
        if self._on_audit:
            for entry in (row for row in session.new if isinstance(row, AuditEntry)):
                after_commit(session, partial(self._on_audit, entry))

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an error."""
        with self.open() as session, session.begin():
            yield session


def _began(session: Session, transaction: SessionTransaction, connection: Connection) -> None:  # noqa: ARG001 - its form
    session.info["in_transaction"] = True
    if connection.dialect.name == "sqlite":
        # SQLite lets one writer in at a time; the others wait instead of failing after the driver's five seconds.
        connection.exec_driver_sql("PRAGMA busy_timeout = 30000")


def after_commit(session: Session, call: Callable[[], object]) -> None:
    """Have `call` run as soon as the session's transaction is committed and over. A rollback drops it, and so does
    the death of the process in between. It must not raise.
    """
    session.info.setdefault("after_commit", []).append(call)


def _committed(session: Session) -> None:
    session.info["committed"] = True


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    session.info["in_transaction"] = False
    calls, committed = session.info.pop("after_commit", []), session.info.pop("committed", False)
    for call in calls if committed else []:
        call()


def database_now(session: Session) -> datetime:
    """This moment by the database's clock: the one that all workers share, for leases."""
    name = session.get_bind().dialect.name
    found = session.scalar(text(CLOCK["mysql" if name == "mariadb" else name]))
    return datetime.fromisoformat(str(found)).replace(tzinfo=UTC)
