"""Purge of history: ended operations, audit rows, mails and removed backups past PUQ_BACKUPS_HISTORY."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session, aliased

from ..context import Context
from ..models import ENDED_STATES, AuditEntry, Backup, Mail, Operation, Service, now

BATCH = 500
"""Rows of a table that one transaction deletes."""
BATCHES = 20
"""Transactions for a table in one run; the rest is left to the next run."""


def purge(context: Context) -> int:
    """Delete what is older than the setting, in small transactions. Returns the number of rows.

    Kept are operations that made an existing backup, those that an unresolved failure refers to, removed backups
    whose volume nobody has seen to be gone, and mails that have not been sent yet. Backups go before the operations
    that made them, because the operation's token proves whose an archive is.
    """
    before = now() - context.settings.history
    return sum(
        _purge_table(context, model, conditions)
        for model, conditions in (
            (Backup, _removed_backups(before)),
            (Mail, _ended_mails(before)),
            (AuditEntry, (AuditEntry.at < before,)),
            (Operation, _ended_operations(before)),
        )
    )


def _purge_table(
    context: Context, model: type[Backup | Mail | AuditEntry | Operation], conditions: tuple[ColumnElement[bool], ...]
) -> int:
    total = 0
    for _ in range(BATCHES):
        with context.database.begin() as session:
            count = _delete_batch(session, model, conditions)
        total += count
        if count < BATCH:
            break
    return total


def _delete_batch(
    session: Session, model: type[Backup | Mail | AuditEntry | Operation], conditions: tuple[ColumnElement[bool], ...]
) -> int:
    ids = session.scalars(select(model.id).where(*conditions).limit(BATCH)).all()
    if ids:
        session.execute(delete(model).where(model.id.in_(ids)).execution_options(synchronize_session=False))
    return len(ids)


def _removed_backups(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return Backup.removed_at < before, Backup.gone_at.is_not(None)


def _ended_mails(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return Mail.created_at < before, Mail.state.not_in(("waiting", "sending"))


def _ended_operations(before: datetime) -> tuple[ColumnElement[bool], ...]:
    # A removed backup that is still known by name needs the token of the operation that made it, too.
    made = exists().where(Backup.operation_id == Operation.id, Backup.service_id == Operation.service_id)
    unresolved = exists().where(Service.restore_failed == Operation.id)
    return (
        Operation.state.in_(ENDED_STATES), Operation.finished_at < before, ~made, ~unresolved, ~_is_last(),
    )  # fmt: skip


def _is_last() -> ColumnElement[bool]:
    """Whether it is the newest slot of its service: by it the schedule knows how far it has come."""
    later = aliased(Operation)
    newer = exists().where(later.service_id == Operation.service_id, later.slot_date > Operation.slot_date)
    return (Operation.slot_date.is_not(None)) & ~newer
