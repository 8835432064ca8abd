"""Volumes that we removed: known by name until they were seen to be gone, and removed again if they come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from ..models import Backup, Operation, Service, now
from ..models.audit_log import audit
from ..pve import notes
from ..pve.archives import Archive

RETRY_AFTER = timedelta(hours=1)
"""Pause after a removal of the same volume."""

UNCONFIRMED = select(Backup.volid).where(
    Backup.server_id == bindparam("server"), Backup.storage == bindparam("storage"), Backup.node == bindparam("node"),
    Backup.removed_at.is_not(None), Backup.gone_at.is_(None),
)  # fmt: skip
Place = tuple[str, str, str]
"""Server id, storage, and the node of a local storage or ""."""


def unconfirmed(session: Session, place: Place) -> set[str]:
    """The volume ids that we removed and that nobody has seen to be gone."""
    server_id, storage, node = place
    given = {"server": server_id, "storage": storage, "node": node}
    return set(session.connection().execute(UNCONFIRMED, given).scalars())


def _removed(place: Place) -> tuple[ColumnElement[bool], ...]:
    server_id, storage, node = place
    here = Backup.server_id == server_id, Backup.storage == storage, Backup.node == node
    return *here, Backup.removed_at.is_not(None)


def _unconfirmed(place: Place) -> tuple[ColumnElement[bool], ...]:
    return *_removed(place), Backup.gone_at.is_(None)


def note_returned(session: Session, place: Place, marked: Sequence[Archive], began: datetime) -> None:
    """Forget that a removed volume was gone if it is among `marked`, listed archives with a marker of ours.

    A directory that is not mounted can hold other archives and so look mounted: the volume comes back with the mount.
    """
    listed = {archive.volid: archive for archive in marked}
    gone = select(Backup).where(*_removed(place), Backup.gone_at.is_not(None), Backup.volid.in_(listed))
    for backup in session.scalars(gone).all():
        if _is_it(session, backup, listed[backup.volid], began):
            backup.gone_at = None


def compare(
    session: Session, place: Place, listed: Mapping[str, Archive], gone: set[str], began: datetime
) -> None:  # fmt: skip
    """Note which removed volumes are gone; have those removed again that were listed after their removal.

    `gone` are volumes that were asked for by name with the storage mounted, `began` is when the sync began. A volume
    without the marker of the operation that made it is another archive: it is left alone; staff see it as foreign.
    """
    for backup in session.scalars(select(Backup).where(*_unconfirmed(place))).all():
        if backup.volid in gone:
            backup.gone_at = now()
        elif backup.volid in listed and _is_it(session, backup, listed[backup.volid], began):
            _remove_again(session, backup)


def _is_it(session: Session, backup: Backup, archive: Archive, began: datetime) -> bool:
    if backup.removed_at is None or backup.removed_at >= began:
        return False
    made_by = session.get(Operation, backup.operation_id) if backup.operation_id else None
    marker = notes.find_marker(archive.notes)
    return made_by is not None and marker is not None and marker[1] == made_by.token


def _remove_again(session: Session, backup: Backup) -> None:
    lately = or_(Operation.finished_at.is_(None), Operation.finished_at > now() - RETRY_AFTER)
    tried = exists().where(Operation.service_id == backup.service_id, Operation.backup_id == backup.id, lately)
    if session.scalar(select(tried)):
        return
    service = session.get_one(Service, backup.service_id)
    operation = Operation.new(
        service, "remove", origin="again", actor="system", backup_id=backup.id, storage=backup.storage
    )
    session.add(operation)
    audit(session, service.id, operation, "remove", f"{backup.volid} was removed and is there again")
