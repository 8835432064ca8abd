"""Removes expired safety copies, each by an operation of its own."""

from __future__ import annotations

from functools import partial

from sqlalchemy import exists, select

from ..context import Context
from ..models import ACTIVE_STATES, Backup, Operation, Service, at_present, changes, not_set_aside
from ..models.audit_log import audit
from ..operations.set_aside import RowWork
from .purge_terminated import removable

BATCH = 100
OVERWRITTEN = exists().where(
    Operation.service_id == Service.id,
    Operation.state.in_(ACTIVE_STATES),
    Operation.kind.in_(("restore", "reinstall")),
)
EXPIRED = (
    Backup.expires_at <= at_present(), Backup.kind == "safety", Backup.client_id == Service.client_id,
    Backup.kept.is_(False), Service.restore_failed.is_(None), ~OVERWRITTEN, *removable("expiry"),
)  # fmt: skip
DUE = (
    select(Backup.id, Backup.service_id)
    .join(Service, Service.id == Backup.service_id)
    .where(*EXPIRED, not_set_aside("expiry", Backup.id))
    .order_by(Backup.expires_at)
    .limit(BATCH)
)


def remove_expired(context: Context) -> int:
    """Create a remove operation for each expired safety copy, and return how many were created.

    A copy stays while a restore or reinstall of its service runs or waits, and until a failed restore is resolved.
    The query uses the index of `expires_at`, so its cost does not depend on the number of services.
    """
    with context.database.open() as session:
        found = session.connection().execute(DUE).all()
    return RowWork(context, "expiry").count(
        (backup_id, service_id, partial(_request_removal, context, backup_id, service_id))
        for backup_id, service_id in found
    )


def _request_removal(context: Context, backup_id: str, service_id: str) -> bool:
    with context.database.begin() as session:
        # A request for a restore updates the same row, so that the later transaction sees the earlier one.
        changes.lock(session, [service_id])
        due = select(Backup).join(Service, Service.id == Backup.service_id).where(Backup.id == backup_id, *EXPIRED)
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
