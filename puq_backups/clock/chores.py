"""Leases and due times of periodic tasks, so that one of several processes runs each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError, Message
from ..models import Chore, database_now, leases, now
from ..models.upsert import insert_missing

log = logging.getLogger("puq_backups.clock.chores")
LEASE = timedelta(minutes=30)


def ensure_row(context: Context, name: str) -> None:
    """Create the row of a chore, due at once, if it does not exist."""
    with context.database.begin() as session:
        if session.get(Chore, name) is None:
            insert_missing(session, Chore, name=name, due_at=now())


def acquire_lease(context: Context, name: str, owner: str, span: timedelta, *, due: bool = False) -> bool:
    """Take or renew the lease on a chore for `span`. Returns False if another running process holds it.

    `due`: also False if the chore is not due (any more).
    """
    with context.database.begin() as session:
        if chore := session.get(Chore, name):
            return _take(session, chore, owner, span, due=due)
    # In a transaction of its own: MariaDB does not show a row that was inserted meanwhile to one that has begun.
    ensure_row(context, name)
    with context.database.begin() as session:
        return _take(session, session.get_one(Chore, name), owner, span, due=due)


def _take(session: Session, chore: Chore, owner: str, span: timedelta, *, due: bool) -> bool:
    clock, before = database_now(session), chore.lease_owner
    if before != owner and leases.is_held(before, chore.lease_until, clock):
        return False
    same = Chore.lease_owner.is_(None) if before is None else Chore.lease_owner == before
    wanted = (Chore.name == chore.name, same, Chore.due_at <= now()) if due else (Chore.name == chore.name, same)
    taken = session.execute(
        update(Chore)
        .where(*wanted)
        .values(lease_owner=owner, lease_until=clock + span)
        .execution_options(synchronize_session=False)
    )
    # No row: another process took it first, and may have run it.
    return taken.rowcount == 1  # type: ignore[attr-defined,no-any-return]  # an UPDATE's result has it


def release_lease(context: Context, name: str, owner: str) -> None:
    """Give up the lease on a chore if `owner` holds it."""
    with context.database.begin() as session:
        mine = update(Chore).where(Chore.name == name, Chore.lease_owner == owner)
        session.execute(mine.values(lease_owner=None, lease_until=None))


def finish(context: Context, name: str, owner: str, due_at: datetime, trouble: Message | None = None) -> None:
    """Release the lease and set the next due time. `trouble` is the problem of this run, None if there was none."""
    stored = trouble.to_json() if trouble else None
    with context.database.begin() as session:
        session.execute(
            update(Chore)
            .where(Chore.name == name, Chore.lease_owner == owner)
            .values(lease_owner=None, lease_until=None, last_run_at=now(), due_at=due_at, last_error=stored)
            .execution_options(synchronize_session=False)
        )


def run_due(
    context: Context, name: str, again: timedelta | Callable[[datetime], datetime], work: Callable[[], object]
) -> bool:  # fmt: skip
    """Run a chore if it is due and no other process runs it. Returns whether it ran.

    `again` is the pause after its end, or a function that returns the next due time from its start time. If `work`
    raises, or returns a Message, that is stored with the chore for staff; the chore runs again at its next due time.
    """
    began, owner = now(), leases.new_owner()
    if not acquire_lease(context, name, owner, LEASE, due=True):
        return False
    trouble = _run_safely(name, work)
    finish(context, name, owner, again(began) if callable(again) else now() + again, trouble)
    return True


def resting(context: Context) -> set[str]:
    """The names of the chores that are not due yet. One query for all, whereas `run_due` asks for each."""
    with context.database.open() as session:
        return set(session.scalars(select(Chore.name).where(Chore.due_at > now())))


def next_midnight(moment: datetime) -> datetime:
    """The start of the next day in UTC."""
    return datetime.combine(moment.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def _run_safely(name: str, work: Callable[[], object]) -> Message | None:
    try:
        found = work()
    except BackupsError as error:
        log.warning("chore %s: %s", name, error)
        return error.message
    except Exception:
        log.exception("chore %s failed", name)
        return Message("Something went wrong on our side; the provider's staff can see it in the log.")
    return found if isinstance(found, Message) else None


def record_heartbeat(context: Context, name: str) -> None:
    """Store the current time as the heartbeat of `name`, such as `tick` or `worker`."""
    if not _beat(context, name):
        ensure_row(context, name)
        _beat(context, name)


def _beat(context: Context, name: str) -> bool:
    with context.database.begin() as session:
        found = session.execute(
            update(Chore)
            .where(Chore.name == name)
            .values(last_run_at=now())
            .execution_options(synchronize_session=False)
        )
    return found.rowcount == 1  # type: ignore[attr-defined,no-any-return]  # an UPDATE's result has it
