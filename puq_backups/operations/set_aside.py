"""Work on many rows, one after the other: a row that cannot be handled is set aside, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cached_property, partial

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from ..context import Context
from ..errors import BackupsError, Message
from ..mail import events
from ..models import Operation, Service, SetAside, now
from ..models.conflicts import is_conflict

log = logging.getLogger("puq_backups.operations")
RETRY_AFTER = timedelta(hours=1)
KNOWN = select(SetAside.key, SetAside.again_at).where(SetAside.work == bindparam("work"))


class RowWork:
    """One kind of work on many rows, such as `slot` or `purge`.

    A query that reads a limited number of rows leaves out those set aside, with `models.not_set_aside`.
    """

    def __init__(self, context: Context, work: str) -> None:
        self.context, self.work = context, work

    @cached_property
    def _again(self) -> dict[str, datetime]:
        """When each row that is set aside is tried again; read with the first row."""
        with self.context.database.open() as session:
            known = session.connection().execute(KNOWN, {"work": self.work})
            return {key: again_at for key, again_at in known}  # noqa: C416 - rows are no tuples to mypy

    def count(self, rows: Iterable[tuple[str, str | None, Callable[[], int]]]) -> int:
        """Do the work for each (key, service id, call) and return the sum of what the calls return."""
        made: list[int] = []
        for key, service_id, call in rows:
            self.run(key, partial(_append, made, call), service_id)
        return sum(made)

    def run(self, key: str, call: Callable[[], object], service_id: str | None = None) -> bool:
        """Do the work for one row. Returns whether it went through.

        0. A row that is set aside is left alone until its time has come.
        1. A deadlock or a lost connection is logged; the row stays due.
        2. After any other error the row is set aside for an hour. Staff are mailed the first time.
        3. A row that goes through again is no longer set aside.
        """
        if key in self._again and self._again[key] > now():
            return False
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a row
            self._failed(key, service_id, error)
            return False
        self.done([key])
        return True

    def done(self, keys: Iterable[str]) -> None:
        """Note that these rows went through: they are no longer set aside."""
        for key in self._again.keys() & set(keys):
            self._clear(key)

    def _failed(self, key: str, service_id: str | None, error: Exception) -> None:
        if isinstance(error, SQLAlchemyError) and is_conflict(error):
            log.warning("%s %s: %.200s; it is tried again", self.work, key, error)
            return
        log.error("%s %s is set aside for %s", self.work, key, RETRY_AFTER, exc_info=error)
        try:
            self._set_aside(key, service_id, _reason(error))
        except Exception as second:  # noqa: BLE001 - the other rows go on whatever cannot be stored
            log.error("%s %s could not be set aside (%.200s)", self.work, key, second)  # noqa: TRY400 - one line

    def _set_aside(self, key: str, service_id: str | None, reason: Message) -> None:
        mine = (SetAside.work == self.work, SetAside.key == key)
        with self.context.database.begin() as session:
            again = update(SetAside).where(*mine).values(reason=reason.to_json(), again_at=now() + RETRY_AFTER)
            if session.execute(again).rowcount:  # type: ignore[attr-defined]  # an UPDATE's result has it
                return
            if service_id is None:
                service_id = session.scalar(select(Operation.service_id).where(Operation.id == key))
            row = SetAside(
                work=self.work, key=key, service_id=service_id, reason=reason.to_json(), since=now(),
                again_at=now() + RETRY_AFTER,
            )  # fmt: skip
            session.add(row)
            session.flush()
            service = session.get(Service, service_id) if service_id else None
            events.on_set_aside(session, self.context, row, service)

    def _clear(self, key: str) -> None:
        with self.context.database.begin() as session:
            session.execute(delete(SetAside).where(SetAside.work == self.work, SetAside.key == key))


def _append(made: list[int], call: Callable[[], int]) -> None:
    made.append(call())


def _reason(error: Exception) -> Message:
    if isinstance(error, BackupsError):
        return error.message
    return Message("{error}", error=f"{type(error).__name__}: {error}"[:300])
