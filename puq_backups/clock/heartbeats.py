"""Health of the clock, worker, daily tasks and mail, as in WHMCS's automation status: ok, warning or error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from ..errors import Message
from ..i18n.translator import N_
from ..models import Chore, Mail, Operation, now

WARN_AFTER, ERROR_AFTER = timedelta(minutes=2, seconds=30), timedelta(minutes=4)
"""Clock and worker beat at least each minute: one that stands still is an error within 5 minutes."""
MAIL_LATE_AFTER = timedelta(minutes=10)
DAILY_MAX_AGE = timedelta(hours=25)
"""Daily tasks start every 24 hours; the extra hour allows for a long run."""
OVERDUE_AFTER = timedelta(minutes=4)
MAIL_FAILURE_WINDOW = timedelta(days=7)
COUNT_LIMIT = 1000
"""Upper limit of each count, so that a page does not wait for it."""


@dataclass(frozen=True)
class Component:
    """The health of one component.

    `level` is ok, warning or error, `seen_at` the time of its last heartbeat, `advice` what staff can do.
    """

    name: str
    label: str
    level: str
    seen_at: datetime | None
    advice: Message | None = None


def components(session: Session) -> list[Component]:
    """The health of clock, worker, daily tasks and mail, in this order.

    Clock and worker: ok with a heartbeat in the last WARN_AFTER, warning up to ERROR_AFTER, error after that or
    without any heartbeat. Daily tasks: ok or error. The worker is also in error if due operations are not processed.
    """
    seen = _last_seen(session)
    return [*_processes(session, seen), _daily(seen.get("daily")), _mail(session)]


def processes(session: Session) -> list[Component]:
    """The health of clock and worker alone, as in `components`."""
    return _processes(session, _last_seen(session))


def _last_seen(session: Session) -> dict[str, datetime | None]:
    chores = session.scalars(select(Chore).where(Chore.name.in_(("tick", "worker", "daily"))))
    return {chore.name: chore.last_run_at for chore in chores}


def _processes(session: Session, seen: Mapping[str, datetime | None]) -> list[Component]:
    return [
        _by_heartbeat("clock", N_("Clock"), seen.get("tick"), Message(
            "The clock does not tick: run `flask backups clock`, or `flask backups tick` from cron each minute."
        )),
        _worker(session, seen.get("worker")),
    ]  # fmt: skip


def _by_heartbeat(name: str, label: str, at: datetime | None, advice: Message) -> Component:
    age = now() - at if at else None
    level = "error" if age is None or age > ERROR_AFTER else "warning" if age > WARN_AFTER else "ok"
    return Component(name, label, level, at, None if level == "ok" else advice)


def _worker(session: Session, seen_at: datetime | None) -> Component:
    found = _by_heartbeat("worker", N_("Worker"), seen_at, Message("No worker runs: start `flask backups worker`."))
    at = now()
    # A worker that hangs keeps its name on the operation; its lease ends all the same.
    nobodys = or_(Operation.lease_owner.is_(None), Operation.lease_until <= at)
    due = select(Operation.id).where(
        Operation.state.in_(("running", "stuck")), Operation.wake_at <= at - OVERDUE_AFTER, nobodys
    )
    overdue = _count(session, due)
    if found.level == "error" or not overdue:
        return found
    return Component("worker", found.label, "error", seen_at, Message(
        "{count} operations are due and no worker moves them: see that Redis answers and that the workers use the "
        "same one.", count=overdue,
    ))  # fmt: skip


def _daily(at: datetime | None) -> Component:
    late = at is None or now() - at > DAILY_MAX_AGE
    advice = Message("The daily tasks have not run for a day: they come with the clock.") if late else None
    return Component("daily", N_("Daily tasks"), "error" if late else "ok", at, advice)


def _mail(session: Session) -> Component:
    label, at = N_("E-mails"), now()
    failed = _count(session, select(Mail.id).where(Mail.state == "failed", Mail.wake_at >= at - MAIL_FAILURE_WINDOW))
    unsent = _count(session, select(Mail.id).where(Mail.state == "waiting", Mail.wake_at <= at - MAIL_LATE_AFTER))
    if unsent:
        advice = Message("{count} mails wait and nobody sends them: see PUQ_BACKUPS_SMTP_URL.", count=unsent)
        return Component("mail", label, "error", None, advice)
    if failed:
        return Component("mail", label, "warning", None, Message("{count} mails failed this week.", count=failed))
    return Component("mail", label, "ok", None)


def _count(session: Session, rows: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(rows.limit(COUNT_LIMIT).subquery())) or 0
