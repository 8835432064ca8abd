"""Removes expired safety copies, each by an operation of its own."""

from __future__ import annotations

from functools import partial

from sqlalchemy import ColumnElement, exists, select

from ..context import Context
from ..models import ACTIVE_STATES, Backup, Operation, Service, changes, not_set_aside, now
from ..models.audit_log import audit
from ..operations.set_aside import RowWork
from .purge_terminated import removable

BATCH = 100


def remove_expired(context: Context) -> int:
    """Create a remove operation for each expired safety copy, and return how many were created.

    A copy stays while a restore or reinstall of its service runs or waits, and until a failed restore is resolved.
    The query uses the index of `expires_at`, so its cost does not depend on the number of services.
    """
    due = select(Backup.id, Backup.service_id).join(Service, Service.id == Backup.service_id).where(*_expired())
    with context.database.open() as session:
        due = due.where(not_set_aside("expiry", Backup.id))
        found = session.execute(due.order_by(Backup.expires_at).limit(BATCH)).all()
    return RowWork(context, "expiry").count(
        (backup_id, service_id, partial(_request_removal, context, backup_id, service_id))
        for backup_id, service_id in found
    )


def _expired() -> tuple[ColumnElement[bool], ...]:
    overwriting = exists().where(
        Operation.service_id == Service.id,
        Operation.state.in_(ACTIVE_STATES),
        Operation.kind.in_(("restore", "reinstall")),
    )
    resolved = Service.restore_failed.is_(None)
    ours = Backup.kind == "safety", Backup.client_id == Service.client_id
    return Backup.expires_at <= now(), *ours, Backup.kept.is_(False), resolved, ~overwriting, *removable("expiry")


def _request_removal(context: Context, backup_id: str, service_id: str) -> bool:
    with context.database.begin() as session:
        # A request for a restore updates the same row, so that the later transaction sees the earlier one.
        changes.lock(session, [service_id])
        due = select(Backup).join(Service, Service.id == Backup.service_id).where(Backup.id == backup_id, *_expired())
        backup = session.scalars(due).first()
        if backup is None:
            return False
        service = session.get_one(Service, service_id)
        operation = Operation.new(
            service, "remove", origin="expiry", actor="system", backup_id=backup.id, storage=backup.storage
        )
        session.add(operation)
        audit(session, service.id, operation, "remove", "the days of the safety copy are over")
        return True
