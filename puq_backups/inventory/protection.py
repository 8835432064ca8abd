"""Finds services without a recent good backup, for staff."""

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
"""Failed slots older than this are ignored: a weekly schedule has had three slots since then."""

GOOD_BACKUP: tuple[ColumnElement[bool], ...] = (
    Backup.size > 0, Backup.disks > 0, Backup.verification != "failed", Backup.missing_at.is_(None),
    Backup.removed_at.is_(None), Backup.kind != "safety",
)  # fmt: skip
"""Conditions on Backup for a good one. `Inventory.restorable` also checks that its storage is online now."""


def unprotected(settings: Settings) -> Select[Any]:
    """Select active services with a failed, missed or refused slot and no good backup since.

    Services with a good backup within the setting `unprotected_after` are left out. The query starts from the ended
    slots, by their index, because most services have no failed one.
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
    """Select active services with a quota and a schedule that have no good backup since `since`.

    Services created after `since` are left out. This also finds what `unprotected` cannot: a clock that does not run
    records no slots.
    """
    planned = (Service.status == "active", Service.quota > 0, Service.next_run_at.is_not(None))
    return select(Service).where(*planned, Service.created_at < since, ~_has_good_backup(Backup.created_at >= since))


def _has_good_backup(when: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(Backup.service_id == Service.id, when, *GOOD_BACKUP)


def last_good_backups(session: Session, services: Sequence[Service]) -> dict[str, datetime]:
    """The time of the last good backup by service id. Services without one are left out."""
    wanted = Backup.service_id.in_([service.id for service in services])
    rows = (
        select(Backup.service_id, func.max(Backup.created_at)).where(wanted, *GOOD_BACKUP).group_by(Backup.service_id)
    )
    return {service_id: at for service_id, at in session.execute(rows)}  # noqa: C416 - rows are no tuples to mypy
