"""Our own sessions on the host's engine: the host's session is never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import Session, SessionTransaction

CLOCK = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "SELECT to_char(clock_timestamp() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS.US')",
    "mysql": "SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f')",
}


class Database:
    """Opens sessions on the engine that `engine()` gives (asked each time: it may differ by application)."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        return self._engine()

    def open(self) -> Session:
        """A session whose objects stay readable after a commit, without a transaction being open."""
        session = Session(self.engine, expire_on_commit=False)
        event.listen(session, "after_begin", _began)
        event.listen(session, "after_transaction_end", _ended)
        return session

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


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info["in_transaction"] = False


def database_now(session: Session) -> datetime:
    """This moment by the database's clock: the one that all workers share, for leases."""
    name = session.get_bind().dialect.name
    found = session.scalar(text(CLOCK["mysql" if name == "mariadb" else name]))
    return datetime.fromisoformat(str(found)).replace(tzinfo=UTC)
