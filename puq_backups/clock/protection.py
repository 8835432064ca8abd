"""What time alone changes about how services are protected: runs that are not made, storages that fall silent."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import select

from ..context import Context
from ..inventory import storage_status
from ..mail import protection
from ..models import Service, Storage, changes, not_set_aside, now
from ..operations.set_aside import RowWork

BATCH = 500
SILENT_AFTER = timedelta(hours=1)
"""How long ago a storage may have been seen for what is on it to count as known."""


def refresh_due(context: Context) -> int:
    """Compute how those services are protected for which that is due to change: how many. Their index is read."""
    rows = select(Service.id).where(Service.protection_changes_at <= now(), not_set_aside("protection", Service.id))
    with context.database.open() as session:
        due = session.scalars(rows.order_by(Service.protection_changes_at).limit(BATCH)).all()
    work = RowWork(context, "protection") if due else None
    for service_id in due:
        if work:
            work.run(service_id, partial(_refresh, context, service_id), service_id)
    return len(due)


def _refresh(context: Context, service_id: str) -> None:
    with context.database.begin() as session:
        # The row is locked first, as by requests: whoever changes what counts comes before or after.
        changes.lock(session, [service_id])
        protection.refresh(session, context, [service_id])


def note_silent_storages(context: Context) -> int:
    """Mark storages that have not been seen for an hour; what counts on them is due to be computed again: how many.

    One that is seen again is marked when it is (see `service_backups.note_storage`).
    """
    longest = max(SILENT_AFTER, 2 * context.settings.sync_interval)
    last_seen = Storage.active_at.is_not(None), Storage.active_at < now() - longest
    with context.database.open() as session:
        silent = session.scalars(select(Storage.id).where(Storage.unseen.is_(False), *last_seen)).all()
    return sum(_mark(context, storage_id) for storage_id in silent)


def _mark(context: Context, storage_id: str) -> bool:
    with context.database.begin() as session:
        storage = session.get(Storage, storage_id)
        if storage is None:
            return False
        storage.unseen = True
        storage_status.make_protection_due(session, storage)
        return True
