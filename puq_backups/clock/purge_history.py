"""Purge of history: ended operations, audit rows, mails and removed backups past PUQ_BACKUPS_HISTORY."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.orm import Session, aliased

from ..context import Context
from ..models import ENDED_STATES, AuditEntry, Backup, Mail, Operation, Service, now

BATCH = 500
"""Rows of a table that one transaction deletes."""
BATCHES = 20
"""Transactions for a table in one run of the clock; the rest is left to the next run."""
Model = type[Backup | Mail | AuditEntry | Operation]


def purge(context: Context, track: Callable[[Sequence[int], str], Iterable[int]] | None = None) -> int:
    """Delete what is older than the setting, in small transactions. Returns the number of rows.

    With `track`, which shows the progress by a table's batches and a label, nothing is left to a next run.

    Kept are operations that made an existing backup, those that an unresolved failure refers to, removed backups
    whose volume nobody has seen to be gone, and mails that have not been sent yet. Backups go before the operations
    that made them, because the operation's token proves whose an archive is.
    """
    before = now() - context.settings.history
    tables: tuple[tuple[str, Model, tuple[ColumnElement[bool], ...]], ...] = (
        ("Removed backups", Backup, _removed_backups(before)),
        ("Mails", Mail, _ended_mails(before)),
        ("Audit log", AuditEntry, (AuditEntry.at < before,)),
        ("Operations", Operation, _ended_operations(before)),
    )
    total = 0
    for label, model, conditions in tables:
        batches: Iterable[int] = range(BATCHES)
        if track is not None:
            batches = track(range(0, _count(context, model, conditions), BATCH), f"{label}, batches of {BATCH}")
        total += _purge_table(context, model, conditions, batches)
    return total


def _count(context: Context, model: Model, conditions: tuple[ColumnElement[bool], ...]) -> int:
    with context.database.open() as session:
        return session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0


def _purge_table(
    context: Context, model: Model, conditions: tuple[ColumnElement[bool], ...], batches: Iterable[int]
) -> int:
    total = 0
    for _ in batches:
        with context.database.begin() as session:
            count = _delete_batch(session, model, conditions)
        if not count:
            break
        total += count
    return total


def _delete_batch(session: Session, model: Model, conditions: tuple[ColumnElement[bool], ...]) -> int:
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
