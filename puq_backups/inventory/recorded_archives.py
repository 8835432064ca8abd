"""Records archives as backups of a service, and copies into their rows what a storage's listing says of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..models import Backup, Operation, Service, changes, now
from ..models.upsert import insert_missing
from ..pve import archives
from ..rules import wall_time
from ..rules.schedule import Schedule


def archive_storage(operation: Operation) -> str:
    """The storage of the archive that an operation makes. For a restore that is its safety copy; "" without one."""
    return operation.storage if operation.kind == "backup" else str(operation.data.get("safety_storage") or "")


def record_archive(
    session: Session, service: Service, operation: Operation, *, volid: str, node: str, disks: int,
    grace: timedelta, listed: archives.Archive | None = None,
) -> Backup:  # fmt: skip
    """Return the backup row of the archive that `operation` made, and create it if needed.

    The archive of a restore is its safety copy. `volid` and `node` are those of the archive, `disks` its disk count,
    `listed` what its storage says of it. What was begun for an earlier client stays theirs, and goes after `grace`.
    """
    safety, theirs = operation.kind != "backup", operation.client_id != service.client_id
    lasts = grace if theirs else timedelta(days=operation.data["safety_days"]) if safety else None
    delete_removed_row(session, service.server_id, volid)
    known = select(Backup).where(Backup.server_id == service.server_id, Backup.volid == volid)
    backup = session.scalars(known).first()
    if backup is None:
        changes.concern(session, service.id)
        asked_on = wall_time.local_date(operation.created_at, Schedule.from_json(service.schedule).timezone)
        # The sync, which looks at the same storage, may record it by its marker at this moment.
        insert_missing(
            session, Backup, **Backup.owner(service) | {"client_id": operation.client_id}, volid=volid,
            operation_id=operation.id, expires_at=None if lasts is None else now() + lasts,
            storage=volid.partition(":")[0], node=node, kind="safety" if safety else operation.origin,
            note=operation.note, slot_date=operation.slot_date, disks=disks,
            local_date=operation.slot_date or asked_on.isoformat(), created_at=operation.started_at or now(),
            **(_as_listed(listed) | {"seen_at": now()} if listed else {}),
        )  # fmt: skip
        backup = session.scalars(known.with_for_update()).one()
    if listed:
        update_from_archive(backup, listed)
    return backup


def delete_removed_row(session: Session, server_id: str, volid: str) -> None:
    """Delete the row of a removed backup whose volume id is used again.

    vzdump names archives by the second, so a new one may get the name of a removed one. The audit keeps the old one.
    """
    removed = (Backup.server_id == server_id, Backup.volid == volid, Backup.removed_at.is_not(None))
    for backup in session.scalars(select(Backup).where(*removed)).all():
        session.delete(backup)
    session.flush()


def _as_listed(archive: archives.Archive) -> dict[str, Any]:
    """The columns of a backup that the storage's listing tells."""
    return {"size": archive.size, "kept": archive.protected, "verification": archive.verification or ""}


def differs(row: Any, archive: archives.Archive) -> bool:
    """Whether `update_from_archive` would change a backup, given as its row or as the columns that it concerns."""
    if row.seen_at is None or row.gone_since is not None or row.missing_at is not None:
        return True
    return any(getattr(row, name) != value for name, value in _as_listed(archive).items())


def update_from_archive(backup: Backup, archive: archives.Archive) -> None:
    """Copy size, protection and verification from the storage's listing, and clear the missing state."""
    for name, value in _as_listed(archive).items():
        setattr(backup, name, value)
    if backup.seen_at is None or backup.gone_since is not None:
        # Not at each look: that the storage was listed stands on its own row.
        backup.seen_at = now()
    backup.gone_since = backup.missing_at = None
