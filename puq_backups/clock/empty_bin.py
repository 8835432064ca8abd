"""Backups whose time in the bin is over: each is removed by an operation of its own, suspended or not."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from ..context import Context
from ..models import Backup, Operation, Service, at_present, changes, not_set_aside
from ..models.audit_log import audit
from ..operations.set_aside import RowWork
from .purge_terminated import removable

BATCH = 100
OVER = Backup.binned_until <= at_present(), Backup.kept.is_(False), *removable("bin")
DUE = (
    select(Backup.id, Backup.service_id)
    .where(*OVER, not_set_aside("bin", Backup.id))
    .order_by(Backup.binned_until)
    .limit(BATCH)
)


def empty(context: Context) -> int:
    """Ask for the removal of the backups that are due to leave the bin: how many. Only their index is read."""
    with context.database.open() as session:
        found = session.connection().execute(DUE).all()
    return RowWork(context, "bin").count(
        (backup_id, service_id, partial(_ask, context, backup_id, service_id)) for backup_id, service_id in found
    )


def _ask(context: Context, backup_id: str, service_id: str) -> bool:
    with context.database.begin() as session:
        # Undo writes the same row: whoever comes second sees the other.
        changes.lock(session, [service_id])
        backup = session.scalars(select(Backup).where(Backup.id == backup_id, *OVER)).first()
        if backup is None:
            return False
        service = session.get_one(Service, service_id)
        operation = Operation.new(
            service, "remove", origin="bin", actor="system", backup_id=backup.id, storage=backup.storage
        )
        session.add(operation)
        audit(session, service.id, operation, "remove", "its time in the bin is over")
        return True
