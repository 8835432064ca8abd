"""Health of the clock, worker, daily tasks and mail, as in WHMCS's automation status: ok, warning or error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
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
    chores = session.scalars(select(Chore).where(Chore.name.in_(("tick", "worker", "daily"))))
    seen = {chore.name: chore.last_run_at for chore in chores}
    return [
        _by_heartbeat("clock", N_("Clock"), seen.get("tick"), Message(
            "The clock does not tick: run `flask backups clock`, or `flask backups tick` from cron each minute."
        )),
        _worker(session, seen.get("worker")),
        _daily(seen.get("daily")),
        _mail(session),
    ]  # fmt: skip


def _by_heartbeat(name: str, label: str, at: datetime | None, advice: Message) -> Component:
    age = now() - at if at else None
    level = "error" if age is None or age > ERROR_AFTER else "warning" if age > WARN_AFTER else "ok"
    return Component(name, label, level, at, None if level == "ok" else advice)


def _worker(session: Session, at: datetime | None) -> Component:
    found = _by_heartbeat("worker", N_("Worker"), at, Message("No worker runs: start `flask backups worker`."))
    due = select(Operation.id).where(
        Operation.state.in_(("running", "stuck")),
        Operation.wake_at <= now() - OVERDUE_AFTER,
        Operation.lease_owner.is_(None),
    )
    overdue = _count(session, due)
    if found.level == "error" or not overdue:
        return found
    return Component("worker", found.label, "error", at, Message(
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
