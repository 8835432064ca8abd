"""What time alone changes about how services are protected: runs that are not made, storages that fall silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import bindparam, select

from ..context import Context
from ..inventory import storage_status
from ..mail import protection
from ..models import Service, Storage, at_present, changes, not_set_aside, now
from ..operations.set_aside import RowWork

BATCH = 500
TOGETHER = 100
"""Services that one transaction computes: their number of queries does not depend on it."""
DUE = (
    select(Service.id)
    .where(Service.protection_changes_at <= at_present(), not_set_aside("protection", Service.id))
    .order_by(Service.protection_changes_at)
    .limit(BATCH)
)
SILENT = select(Storage.id).where(
    Storage.unseen.is_(False), Storage.active_at.is_not(None), Storage.active_at < bindparam("long_ago")
)
SILENT_AFTER = timedelta(hours=1)
"""How long ago a storage may have been seen for what is on it to count as known."""


def refresh_due(context: Context) -> int:
    """Compute how those services are protected for which that is due to change: how many. Their index is read."""
    with context.database.open() as session:
        due = session.connection().execute(DUE).scalars().all()
    rows = RowWork(context, "protection")
    for start in range(0, len(due), TOGETHER):
        _refresh_together(context, rows, due[start : start + TOGETHER])
    return len(due)


def _refresh_together(context: Context, rows: RowWork, service_ids: Sequence[str]) -> None:
    try:
        _refresh(context, service_ids)
    except Exception:  # noqa: BLE001 - whichever row it was: each is tried by itself
        for service_id in service_ids:
            rows.run(service_id, partial(_refresh, context, [service_id]), service_id)
    else:
        rows.done(service_ids)


def _refresh(context: Context, service_ids: Sequence[str]) -> None:
    with context.database.begin() as session:
        # The rows are locked first, as by requests: whoever changes what counts comes before or after.
        changes.lock(session, service_ids)
        protection.refresh(session, context, service_ids)


def note_silent_storages(context: Context) -> int:
    """Mark storages that have not been seen for an hour; what counts on them is due to be computed again: how many.

    One that is seen again is marked when it is (see `service_backups.note_storage`).
    """
    longest = max(SILENT_AFTER, 2 * context.settings.sync_interval)
    with context.database.open() as session:
        silent = session.connection().execute(SILENT, {"long_ago": now() - longest}).scalars().all()
    return sum(_mark(context, storage_id) for storage_id in silent)


def _mark(context: Context, storage_id: str) -> bool:
    with context.database.begin() as session:
        storage = session.get(Storage, storage_id)
        if storage is None:
            return False
        storage.unseen = True
        storage_status.make_protection_due(session, storage)
        return True
