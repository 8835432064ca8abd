"""Marks backups as missing or damaged, and settles a failed restore with its safety copy."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from ..models import Backup, Operation, Service, changes, now


def mark_missing(session: Session, service_id: str, backup_id: str) -> None:
    """Mark a backup as missing. Its volume was asked for by name, and its storage was active and had none."""
    changes.concern(session, service_id)
    found = update(Backup).where(Backup.id == backup_id, Backup.missing_at.is_(None), Backup.removed_at.is_(None))
    session.execute(found.values(missing_at=now(), gone_since=func.coalesce(Backup.gone_since, now())))


def mark_damaged(session: Session, service_id: str, backup_id: str, *, damaged: bool) -> None:
    """Mark a backup that a restore found damaged, so that it counts as no good one, or take the mark away."""
    changes.concern(session, service_id)
    found = update(Backup).where(Backup.id == backup_id)
    session.execute(found.values(damaged_at=now() if damaged else None))


def settle_failed_restore(session: Session, service: Service) -> None:
    """Clear a failed restore. The days of its safety copy count from now on."""
    failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
    service.restore_failed = None
    copy = session.get(Backup, failed.data["safety"]) if failed and failed.data.get("safety") else None
    if failed and copy and copy.expires_at:
        maker = session.get(Operation, copy.operation_id) if copy.operation_id else None
        days = (maker or failed).data.get("safety_days")
        copy.expires_at = now() + timedelta(days=days) if days else copy.expires_at
