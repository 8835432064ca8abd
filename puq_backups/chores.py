"""Work that comes round: done by one of many, each chore with its own due time and lease."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from .models import Chore, database_now, now
from .operations import leases
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.chores")
LEASE = timedelta(minutes=30)


def ensure(toolbox: Toolbox, name: str) -> None:
    """Have a row for the chore; it is due at once."""
    try:
        with toolbox.database.begin() as session:
            if session.get(Chore, name) is None:
                session.add(Chore(name=name, due_at=now()))
    except IntegrityError:
        # Another process made the row first.
        return


def hold(toolbox: Toolbox, name: str, owner: str, span: timedelta) -> bool:
    """Take or renew the lease on a chore for `span`; False while another living process has it."""
    ensure(toolbox, name)
    with toolbox.database.begin() as session:
        chore = session.get_one(Chore, name)
        clock = database_now(session)
        before = chore.owner
        if before != owner and leases.holds(before, chore.lease_until, clock):
            return False
        same = Chore.owner.is_(None) if before is None else Chore.owner == before
        taken = session.execute(
            update(Chore)
            .where(Chore.name == name, same)
            .values(owner=owner, lease_until=clock + span)
            .execution_options(synchronize_session=False)
        )
        # No row: another process took it first.
        return taken.rowcount == 1  # type: ignore[attr-defined,no-any-return]  # an UPDATE's result has it


def done(toolbox: Toolbox, name: str, owner: str, again: timedelta) -> None:
    """Give the lease back; the chore is due `again` from now."""
    with toolbox.database.begin() as session:
        session.execute(
            update(Chore)
            .where(Chore.name == name, Chore.owner == owner)
            .values(owner=None, lease_until=None, ran_at=now(), due_at=now() + again)
        )


def run_due(toolbox: Toolbox, name: str, every: timedelta, work: Callable[[], object]) -> bool:
    """Do a chore if it is due and nobody else is at it. Its trouble is logged and waits for the next time."""
    ensure(toolbox, name)
    with toolbox.database.open() as session:
        if not session.scalar(select(Chore.name).where(Chore.name == name, Chore.due_at <= now())):
            return False
    owner = leases.new_owner()
    if not hold(toolbox, name, owner, LEASE):
        return False
    try:
        work()
    except Exception:
        log.exception("chore %s failed", name)
    done(toolbox, name, owner, every)
    return True


def beat(toolbox: Toolbox, name: str) -> None:
    """Leave a heartbeat."""
    ensure(toolbox, name)
    with toolbox.database.begin() as session:
        session.execute(update(Chore).where(Chore.name == name).values(ran_at=now()))
