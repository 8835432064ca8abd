"""Removes the backups of terminated services after the grace period, each by an operation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..models import Backup, Operation, Service, at_present, changes, not_set_aside, now
from ..operations import state_changes
from ..operations.set_aside import RowWork

BATCH = 100
"""Services whose removals one run of the clock creates; the rest is left to the next run."""
RETRY_AFTER = timedelta(hours=1)
"""Pause after a failed removal, for example while the storage is offline."""


def purge_due(context: Context, track: Callable[[Sequence[str]], Iterable[str]] | None = None) -> int:
    """Create remove operations for services terminated before the grace period. Returns how many were created.

    With `track`, which shows the progress, for all of them instead of BATCH.
    """
    given = {"before": now() - context.settings.termination_grace}
    with context.database.open() as session:
        found = session.connection().execute(TERMINATED if track else SOME_TERMINATED, given).scalars().all()
    return RowWork(context, "purge").count(
        (service_id, service_id, partial(_purge_service, context, service_id))
        for service_id in (track(found) if track else found)
    )


def removable(origin: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions on Backup: it exists, no operation on it is pending, and none of `origin` ended in the last hour."""
    just_failed = and_(Operation.origin == origin, Operation.finished_at > at_present(-RETRY_AFTER))
    tried = exists().where(
        Operation.service_id == Backup.service_id,
        Operation.backup_id == Backup.id,
        or_(Operation.finished_at.is_(None), just_failed),
    )
    return Backup.removed_at.is_(None), ~tried


TERMINATED = (
    select(Service.id)
    .where(
        Service.status == "terminated", Service.terminated_at <= bindparam("before"),
        exists().where(Backup.service_id == Service.id, *removable("purge")), not_set_aside("purge", Service.id),
    )
    .order_by(Service.terminated_at)
)  # fmt: skip
SOME_TERMINATED = TERMINATED.limit(BATCH)


def _purge_service(context: Context, service_id: str) -> int:
    with context.database.begin() as session:
        held = session.execute(
            update(Service)
            .where(Service.id == service_id, Service.status == "terminated")
            .values(version=Service.version + 1)
            .execution_options(synchronize_session=False)
        )
        # No row: the service was reactivated meanwhile.
        if held.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            return 0
        service = session.get_one(Service, service_id)
        backups = session.scalars(select(Backup).where(Backup.service_id == service_id, *removable("purge"))).all()
        session.add_all([
            Operation.new(
                service, "remove", origin="purge", actor="termination", backup_id=backup.id, storage=backup.storage
            )
            for backup in backups
        ])  # fmt: skip
        return len(backups)


def expire_other_owners(session: Session, context: Context, service_id: str, client_id: str) -> None:
    """Have the backups of a service's other owners removed after the grace; those of `client_id` stay.

    They are invisible meanwhile. An owner who comes back within the grace has them again.
    """
    ours = Backup.service_id == service_id, Backup.removed_at.is_(None)
    until = now() + context.settings.termination_grace
    others = (Backup.client_id != client_id, Backup.expires_at.is_(None))
    session.execute(update(Backup).where(*ours, *others).values(expires_at=until))
    again = (Backup.client_id == client_id, Backup.kind != "safety")
    session.execute(update(Backup).where(*ours, *again).values(expires_at=None))


def purge_other_owners(context: Context) -> int:
    """Create remove operations for backups of earlier owners whose grace is over. Returns how many were created."""
    with context.database.open() as session:
        found = session.connection().execute(OF_OTHERS).all()
    return RowWork(context, "owners").count(
        (backup_id, service_id, partial(_purge_backup, context, backup_id, service_id))
        for backup_id, service_id in found
    )


DISOWNED = Backup.expires_at <= at_present(), Backup.client_id != Service.client_id, *removable("purge")
OF_OTHERS = (
    select(Backup.id, Backup.service_id)
    .join(Service, Service.id == Backup.service_id)
    .where(not_set_aside("owners", Backup.id), *DISOWNED)
    .order_by(Backup.expires_at)
    .limit(BATCH)
)


def _purge_backup(context: Context, backup_id: str, service_id: str) -> bool:
    with context.database.begin() as session:
        # CreateAccount locks the same row: the earlier owner may come back at this moment.
        changes.lock(session, [service_id])
        due = select(Backup).join(Service, Service.id == Backup.service_id).where(Backup.id == backup_id)
        backup = session.scalars(due.where(*DISOWNED)).first()
        if backup is None:
            return False
        session.add(Operation.new(
            session.get_one(Service, service_id), "remove", origin="purge", actor="termination",
            backup_id=backup.id, storage=backup.storage,
        ))  # fmt: skip
        return True


def cancel_purge(session: Session, context: Context, service: Service) -> None:
    """Cancel the waiting removals of a service that is active again. A running removal is not stopped."""
    waiting = select(Operation).where(
        Operation.service_id == service.id, Operation.state == "waiting", Operation.origin == "purge"
    )
    for operation in session.scalars(waiting).all():
        state_changes.end(session, context, operation, service, "cancelled", Message("The service goes on."))
