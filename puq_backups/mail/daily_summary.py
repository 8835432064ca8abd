"""Collects and writes the daily summary for staff: finished, failed and stuck operations, unprotected services."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..context import Context
from ..inventory import protection
from ..inventory.displayable import displayable
from ..models import Chore, Mail, Operation, Server, Service, Storage, now
from . import events, merge_values

MAX_ROWS = 50
"""Maximum number of rows in each list."""
NEARLY_FULL_SHARE = 0.1
"""A storage with a smaller share of free space is listed as nearly full."""
DAY, MAX_PERIOD = timedelta(days=1), timedelta(days=7)


def write(context: Context) -> None:
    """Add the daily summary to the outbox; at most one per UTC day.

    The first run of the daily tasks after the installation writes none: there is no day to tell of.
    """
    with context.database.begin() as session:
        if _first_run(session):
            return
        since = _since(session)
        events.on_day_end(session, context, collect(session, since))


def _first_run(session: Session) -> bool:
    first = select(Chore.name).where(Chore.name == "daily", Chore.last_run_at.is_(None))
    return session.scalar(first) is not None


def _since(session: Session) -> datetime:
    """Return the time of the last summary, so that a stopped clock leaves no gap; at most `MAX_PERIOD` ago.

    Without one it is the last run of the daily tasks.
    """
    last = session.scalar(select(func.max(Mail.created_at)).where(Mail.name == "Daily summary"))
    last = last or session.scalar(select(Chore.last_run_at).where(Chore.name == "daily"))
    return max(last or now() - DAY, now() - MAX_PERIOD)


def collect(session: Session, since: datetime) -> dict[str, Any]:
    """Return the merge fields of the summary for the period that starts at `since`."""
    backups = _counts(session, since, "backup")
    unprotected = protection.unprotected()
    return {
        "since": since,
        **{f"{state}_count": backups.get(state, 0) for state in ("done", "failed", "missed", "refused")},
        "restored_count": _counts(session, since, "restore").get("done", 0),
        "failed": _failed(session, since),
        "unprotected_count": session.scalar(select(func.count()).select_from(unprotected.subquery())),
        "unprotected": [
            {**_service_columns(service), "backup_date": service.last_good_at}
            for service in session.scalars(unprotected.order_by(Service.id).limit(MAX_ROWS))
        ],
        "stuck": _stuck(session),
        "full": _full(session),
        "unsent_count": session.scalar(
            select(func.count()).select_from(Mail).where(Mail.state == "failed", Mail.created_at >= since)
        ),
    }


def _counts(session: Session, since: datetime, kind: str) -> dict[str, int]:
    ended = select(Operation.state, func.count()).where(Operation.kind == kind, Operation.finished_at >= since)
    rows = ended.where(Operation.state.in_(("done", *protection.FAILED_STATES))).group_by(Operation.state)
    return {state: count for state, count in session.execute(rows)}  # noqa: C416 - rows are no tuples to mypy


def _with_service(state: Any) -> Any:
    return select(Operation, Service).join(Service, Service.id == Operation.service_id).where(state).limit(MAX_ROWS)


def _failed(session: Session, since: datetime) -> list[dict[str, Any]]:
    rows = _with_service(Operation.state.in_(protection.FAILED_STATES)).where(Operation.finished_at >= since)
    return [
        {**_service_columns(service), "kind": operation.kind, "state": operation.state,
         "finished_at": operation.finished_at, "reason": operation.reason}
        for operation, service in session.execute(rows.order_by(Operation.finished_at.desc()))
    ]  # fmt: skip


def _stuck(session: Session) -> list[dict[str, Any]]:
    rows = _with_service(Operation.state == "stuck").order_by(Operation.started_at)
    return [
        {**_service_columns(service), "kind": operation.kind, "started_at": operation.started_at}
        for operation, service in session.execute(rows)
    ]


def _service_columns(service: Service) -> dict[str, str]:
    name = merge_values.client_name(displayable(service))
    return {"service_id": service.id, "vm_name": service.vm_name, "client_name": name}


def _full(session: Session) -> list[dict[str, Any]]:
    rows = (
        select(Storage, Server)
        .join(Server, Server.id == Storage.server_id)
        .where(Storage.active, Storage.total > 0, Storage.available < Storage.total * NEARLY_FULL_SHARE)
    )
    return [
        {
            "storage": storage.name, "node": storage.node, "server": server.hosts.split(",")[0],
            "available": storage.available, "total": storage.total,
        }
        for storage, server in session.execute(rows.order_by(Storage.name).limit(MAX_ROWS))
    ]  # fmt: skip
