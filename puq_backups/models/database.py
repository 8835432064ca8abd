"""Sessions of our own on the host's engine. The host's session is never used, committed or rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction

from . import changes, conflicts
from .audit import AuditEntry
from .moved_services import move_waiting

MOST_CLOSED = 50
ASK_AGAIN = 1.0
"""A connection that answered so many seconds ago is not asked again."""
ASKED = "puq_backups_asked"
PATIENT = "puq_backups_patient"


class OurSession(Session):
    """A session of ours. Its listeners are the class's: adding them to each session costs more than most queries."""

    on_audit: Callable[[AuditEntry], object] | None = None
    on_change: changes.OnChange | None = None

    def commit(self) -> None:
        """Commit, or undo it all: SQLite keeps the transaction of a failed COMMIT, and the pool its connection."""
        try:
            super().commit()
        except SQLAlchemyError:
            self.rollback()
            raise


class Database:
    """Opens sessions on the host's engine.

    `engine()` returns the engine; it is called each time, because it may differ per application. `on_audit` is called
    with each audit entry after its commit.
    `on_change` is called with the session and the ids of services before a commit that changes what protects them
    (see `changes`).
    """

    def __init__(
        self, engine: Callable[[], Engine], on_audit: Callable[[AuditEntry], object] | None = None,
        on_change: changes.OnChange | None = None,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._on_audit = on_audit
        self._on_change = on_change
        self._checked: tuple[Engine, Engine] | None = None

    @property
    def engine(self) -> Engine:
        return self._engine()

    def open(self) -> Session:
        """Return a session without an open transaction. Its objects stay readable after a commit."""
        session = OurSession(self._with_check(self.engine), expire_on_commit=False)
        session.on_audit, session.on_change = self._on_audit, self._on_change
        return session

    def _with_check(self, engine: Engine) -> Engine:
        """The same engine, on which a connection that the database has closed is replaced before it is used.

        It shares the host's pool; the host's own use of it is not changed.
        """
        if self._checked is None or self._checked[0] is not engine:
            checked = engine.execution_options()
            event.listen(checked, "engine_connect", _replace_closed)
            self._checked = engine, checked
        return self._checked[1]

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open a session with one transaction: committed at the end, rolled back on an error."""
        with self.open() as session, session.begin():
            yield session


def _replace_closed(connection: Connection) -> None:
    """Ask a pooled connection whether it is alive, and take others until one is; without one the error is raised."""
    if connection.dialect.name == "sqlite":
        return
    # As many as a pool may hold; those made anew answer.
    for _ in range(MOST_CLOSED):
        asked = time.monotonic()
        if asked - connection.info.get(ASKED, float("-inf")) < ASK_AGAIN or _answers(connection):
            connection.info[ASKED] = asked
            return
        connection.invalidate()


def _answers(connection: Connection) -> bool:
    try:
        return bool(connection.dialect.do_ping(connection.connection.dbapi_connection))  # type: ignore[arg-type]  # it is open
    except connection.dialect.loaded_dbapi.Error:
        return False


def _after_begin(session: Session, transaction: SessionTransaction, connection: Connection) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    session.info["in_transaction"] = True
    if connection.dialect.name == "sqlite" and PATIENT not in connection.info:
        # SQLite allows one writer at a time. Others wait up to 30 s, not the driver's 5 s. The connection keeps it.
        connection.exec_driver_sql("PRAGMA busy_timeout = 30000")
        connection.info[PATIENT] = True


def _note_audit(session: OurSession, _: UOWTransaction) -> None:
    if session.on_audit:
        for entry in (row for row in session.new if isinstance(row, AuditEntry)):
            after_commit(session, partial(session.on_audit, entry))


def _note_changes(session: OurSession, flushing: UOWTransaction, rows: object) -> None:
    if session.on_change:
        changes.note(session, flushing, rows)


def _tell_changes(session: OurSession) -> None:
    if session.on_change:
        changes.tell(session, session.on_change)


def after_commit(session: Session, call: Callable[[], object]) -> None:
    """Call `call` as soon as the session's transaction has been committed and closed.

    A rollback drops the call, and so does the death of the process right after the commit. `call` must not raise.
    """
    session.info.setdefault("after_commit", []).append(call)


def _mark_committed(session: Session) -> None:
    # The release of a savepoint is reported as a commit too.
    if not session.in_nested_transaction():
        session.info["committed"] = True


def _after_end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    session.info["in_transaction"] = False
    changes.forget(session)
    calls, committed = session.info.pop("after_commit", []), session.info.pop("committed", False)
    if committed:
        conflicts.commits.set(conflicts.commits.get() + 1)
    for call in calls if committed else []:
        call()


event.listen(OurSession, "after_begin", _after_begin)
event.listen(OurSession, "after_flush", _note_audit)
event.listen(OurSession, "after_flush", move_waiting)
event.listen(OurSession, "before_flush", _note_changes)
event.listen(OurSession, "before_commit", _tell_changes)
event.listen(OurSession, "after_commit", _mark_committed)
event.listen(OurSession, "after_transaction_end", _after_end)
