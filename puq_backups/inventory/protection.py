"""Services whose scheduled backups do not come about: the ones that staff has to look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from ..config import Settings
from ..models import Backup, Operation, Service, now

FAILED_STATES = ("failed", "missed", "refused")
LOOK_BACK = timedelta(days=21)
"""A weekly schedule has failed three times by then; what has not been tried since is nobody's plan any more."""

GOOD_BACKUP: tuple[ColumnElement[bool], ...] = (
    Backup.size > 0, Backup.disks > 0, Backup.verification != "failed", Backup.missing_at.is_(None),
    Backup.removed_at.is_(None), Backup.kind != "safety",
)  # fmt: skip
"""What makes a backup good, whoever's it is; a safety copy goes by itself. `inventory` also asks whether its storage
is there now."""


def unprotected(settings: Settings) -> Select[Any]:
    """Active services with a slot that came to nothing, no good backup since, and none within `unprotected_after`.

    It begins with the slots that came to nothing, by their index: most services have none.
    """
    broken = (
        select(Operation.service_id, func.max(Operation.due_at).label("due_at"))
        .where(
            Operation.state.in_(FAILED_STATES),
            Operation.finished_at >= now() - LOOK_BACK,
            Operation.slot_date.is_not(None),
        )
        .group_by(Operation.service_id)
        .subquery()
    )  # fmt: skip
    lately = now() - settings.unprotected_after
    return (
        select(Service)
        .join(broken, broken.c.service_id == Service.id)
        .where(Service.status == "active", Service.quota > 0)
        .where(~_has_good_backup(Backup.created_at > broken.c.due_at), ~_has_good_backup(Backup.created_at >= lately))
    )


def without_good_backup_since(since: datetime) -> Select[Any]:
    """Active services with a quota and a schedule that have made no good backup since then.

    This sees what `unprotected` cannot: a clock that stands still leaves no slot behind. A service younger than
    that is left out.
    """
    planned = (Service.status == "active", Service.quota > 0, Service.next_run_at.is_not(None))
    return select(Service).where(*planned, Service.created_at < since, ~_has_good_backup(Backup.created_at >= since))


def _has_good_backup(when: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Backup.service_id == Service.id, when, *GOOD_BACKUP)


def last_good_backups(session: Session, services: Sequence[Service]) -> dict[str, datetime]:
    """When each of the services had its last good backup; those that never had one are left out."""
    wanted = Backup.service_id.in_([service.id for service in services])
    rows = (
        select(Backup.service_id, func.max(Backup.created_at)).where(wanted, *GOOD_BACKUP).group_by(Backup.service_id)
    )
    return {service_id: at for service_id, at in session.execute(rows)}  # noqa: C416 - rows are no tuples to mypy
