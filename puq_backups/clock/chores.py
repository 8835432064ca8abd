"""Leases and due times of periodic tasks, so that one of several processes runs each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import bindparam, or_, select, update

from ..context import Context
from ..errors import BackupsError, Message
from ..models import Chore, DatabaseTime, at_present, leases, now
from ..models.upsert import insert_missing

log = logging.getLogger("puq_backups.clock.chores")
LEASE = timedelta(minutes=30)
FREE = or_(
    Chore.lease_owner.is_(None),
    Chore.lease_until.is_(None),
    Chore.lease_until <= DatabaseTime(),
    Chore.lease_owner.in_((bindparam("owner"), bindparam("dead"))),
)
TAKE = (
    update(Chore)
    .where(Chore.name == bindparam("chore"), FREE)
    .values(lease_owner=bindparam("owner"), lease_until=DatabaseTime(bindparam("seconds")))
)
TAKE_DUE = TAKE.where(Chore.due_at <= at_present())
FINISH = (
    update(Chore)
    .where(Chore.name == bindparam("chore"), Chore.lease_owner == bindparam("owner"))
    .values(
        lease_owner=None,
        lease_until=None,
        last_run_at=at_present(),
        due_at=bindparam("next"),
        last_error=bindparam("trouble"),
    )
)
BEAT = update(Chore).where(Chore.name == bindparam("chore")).values(last_run_at=at_present())
RESTING = select(Chore.name).where(Chore.due_at > at_present())


def ensure_row(context: Context, name: str) -> None:
    """Create the row of a chore, due at once, if it does not exist."""
    with context.database.begin() as session:
        if session.get(Chore, name) is None:
            insert_missing(session, Chore, name=name, due_at=now())


def acquire_lease(context: Context, name: str, owner: str, span: timedelta, *, due: bool = False) -> bool:
    """Take or renew the lease on a chore for `span`. Returns False if another running process holds it.

    `due`: also False if the chore is not due (any more).
    """
    if _take(context, name, owner, span, due=due):
        return True
    with context.database.open() as session:
        chore = session.get(Chore, name)
    if chore is None:
        # In a transaction of its own: MariaDB does not show a row that was inserted meanwhile to one that has begun.
        ensure_row(context, name)
        return _take(context, name, owner, span, due=due)
    holder = chore.lease_owner
    return bool(holder) and leases.is_dead(str(holder)) and _take(context, name, owner, span, due=due, dead=holder)


def _take(context: Context, name: str, owner: str, span: timedelta, *, due: bool, dead: str | None = None) -> bool:
    """Take the lease if it is free: nobody's, run out, our own, or that of the process `dead`."""
    given = {"chore": name, "owner": owner, "dead": dead, "seconds": span.total_seconds()}
    with context.database.begin() as session:
        taken = session.connection().execute(TAKE_DUE if due else TAKE, given)
    # No row: another process holds it, or took it first and may have run it.
    return taken.rowcount == 1


def release_lease(context: Context, name: str, owner: str) -> None:
    """Give up the lease on a chore if `owner` holds it."""
    with context.database.begin() as session:
        mine = update(Chore).where(Chore.name == name, Chore.lease_owner == owner)
        session.execute(mine.values(lease_owner=None, lease_until=None))


def finish(context: Context, name: str, owner: str, due_at: datetime, trouble: Message | None = None) -> None:
    """Release the lease and set the next due time. `trouble` is the problem of this run, None if there was none."""
    given = {"chore": name, "owner": owner, "next": due_at}
    with context.database.begin() as session:
        session.connection().execute(FINISH, given | {"trouble": trouble.to_json() if trouble else None})


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
        return set(session.connection().execute(RESTING).scalars())


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
        return session.connection().execute(BEAT, {"chore": name}).rowcount == 1
