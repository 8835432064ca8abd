"""Compares the recorded backups on one storage with its listing, and writes only the rows that differ.

The rows are streamed, and written in batches, so that memory and locks do not grow with their number. Proxmox answers
a listing in one piece.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import ProxmoxRefused
from ..models import ACTIVE_STATES, Backup, Operation, Server, Service, now
from ..pve import archives, notes, values, vms
from ..pve.archives import Archive
from ..pve.client import Proxmox
from . import recorded_archives, removed_volumes, storage_status

T = TypeVar("T")
log = logging.getLogger("puq_backups.sync")
BATCH = 500
"""Rows read or written at once."""
MOST_CHANGED = 20_000
"""Rows written by one comparison. The next one writes the rest."""
MOST_ASKED = 500
"""Volumes asked for by name by one comparison. The next one goes on after them."""

RECORDED = select(
    Backup.id, Backup.volid, Backup.size, Backup.kept, Backup.verification, Backup.seen_at, Backup.gone_since,
    Backup.missing_at,
).where(
    Backup.server_id == bindparam("server"), Backup.storage == bindparam("storage"),
    Backup.node == bindparam("holder"), Backup.removed_at.is_(None),
)  # fmt: skip


@dataclass
class Compared:
    """How the recorded backups differ from a listing.

    Ids of rows to write, (id, volume id) of backups that are not listed, the listed volume ids that no row has, and
    number and bytes of the backups that are there.
    """

    changed: list[str] = field(default_factory=list)
    lacking: list[tuple[str, str]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    count: int = 0
    size: int = 0


def compare(
    context: Context, proxmox: Proxmox, server: Server, place: tuple[str, str, str], began: datetime,
    progress: Callable[[], None],
) -> None:  # fmt: skip
    """Compare a storage, given with the node to ask and the node of a local storage or "".

    `began` is when the sync began; `progress` is called after each batch.
    """
    storage, node, holder = place
    node, seen = archives.readable_from(proxmox, node, storage)
    # An offline storage cannot be listed, but its status is stored.
    listed = {one.volid: one for one in archives.listing(proxmox, node, storage)} if seen.active else {}
    with context.database.open() as session:
        found = _differences(session, context, (server.id, storage, holder), listed)
        removed = removed_volumes.unconfirmed(session, (server.id, storage, holder))
        last = storage_status.last_asked(session, (server.id, storage, holder))
    # Where something is listed the storage is mounted: what we removed can be asked for, too.
    wanted = {volid for _, volid in found.lacking} | (removed - set(listed) if listed else set())
    asked = _in_turn(wanted, last) if seen.active else []
    gone = {volid for volid in asked if archives.find(proxmox, node, volid) is None}
    going = [key for key, volid in found.lacking if volid in gone]
    for ids in _batches([*found.changed, *going]):
        with context.database.begin() as session:
            _write(session, context, ids, listed, gone)
        progress()
    unknown = [listed[volid] for volid in sorted(found.unknown)]
    marked = [archive for archive in unknown if notes.find_marker(archive.notes)]
    for some in _batches(marked):
        _adopt(context, proxmox, server, (node, holder), some)
        with context.database.begin() as session:
            removed_volumes.note_returned(session, (server.id, storage, holder), some, began)
    with context.database.begin() as session:
        row = storage_status.save_storage(session, server, storage, node, seen)
        if removed or marked:
            removed_volumes.compare(session, (server.id, storage, holder), listed, gone, began)
        row.synced_at, row.backup_count, row.backup_bytes = now(), found.count, min(found.size, values.BIGGEST)
        row.last_asked = asked[-1] if asked else row.last_asked


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _differences(
    session: Session, context: Context, place: removed_volumes.Place, listed: dict[str, Archive]
) -> Compared:  # fmt: skip
    """Stream the backups recorded on a storage past its listing."""
    found = Compared(unknown=set(listed))
    for row in _recorded(session, place):
        archive = listed.get(row.volid)
        found.unknown.discard(row.volid)
        if archive is None:
            if _is_to_be_asked(context, row):
                found.lacking.append((row.id, row.volid))
            continue
        found.count += 1
        found.size += archive.size or 0
        if recorded_archives.differs(row, archive) and len(found.changed) < MOST_CHANGED:
            found.changed.append(row.id)
    return found


def _recorded(session: Session, place: removed_volumes.Place) -> Iterator[Row[Any]]:
    server_id, storage, holder = place
    given = {"server": server_id, "storage": storage, "holder": holder}
    return iter(session.execute(RECORDED, given, execution_options={"yield_per": BATCH}))


def _is_to_be_asked(context: Context, row: Row[Any]) -> bool:
    """Whether the answer for a backup that is not listed would change its row."""
    if row.missing_at is not None:
        return False
    return row.gone_since is None or now() - row.gone_since >= context.settings.missing_after


def _in_turn(volids: set[str], last: str) -> list[str]:
    """The volumes to ask for by name, after the `last` of the comparison before: one may be there and never be
    listed.
    """
    return sorted(volids, key=lambda volid: (volid <= last, volid))[:MOST_ASKED]


def _write(
    session: Session, context: Context, ids: Sequence[str], listed: dict[str, Archive], gone: set[str]
) -> None:  # fmt: skip
    for backup in session.scalars(select(Backup).where(Backup.id.in_(ids), Backup.removed_at.is_(None))):
        if backup.volid in listed:
            recorded_archives.update_from_archive(backup, listed[backup.volid])
        elif backup.volid in gone:
            if backup.gone_since is None:
                backup.gone_since = now()
            elif backup.missing_at is None and now() - backup.gone_since >= context.settings.missing_after:
                backup.missing_at = now()


def _adopt(
    context: Context, proxmox: Proxmox, server: Server, place: tuple[str, str], marked: Sequence[Archive]
) -> None:  # fmt: skip
    """Record archives of ours that lost their row. `place`: node to ask, and the node of a local storage or ""."""
    node, holder = place
    with context.database.open() as session:
        lost = _without_row(session, server, marked)
    for archive in lost:
        disks = _disk_count(proxmox, node, archive)
        try:
            with context.database.begin() as session:
                if _without_row(session, server, [archive]):
                    _adopt_marked_archive(session, context, server, holder, archive, disks)
        except Exception:
            # Its service or operation cannot be read: the other archives are compared all the same.
            log.exception("the archive %s could not be recorded", archive.volid)


def _without_row(session: Session, server: Server, some: Sequence[Archive]) -> list[Archive]:
    """Those archives that no row of the server has, removed ones included, and that we have made."""
    ids = [archive.volid for archive in some]
    known = set(session.scalars(select(Backup.volid).where(Backup.server_id == server.id, Backup.volid.in_(ids))))
    return [one for one in some if one.volid not in known and _made_by(session, server, one)]


def _disk_count(proxmox: Proxmox, node: str, archive: Archive) -> int:
    """The number of disks by the archive's own configuration; 0 if Proxmox refuses to show it, so that nobody relies
    on the archive.
    """
    try:
        return vms.backed_up_disks(archives.archived_config(proxmox, node, archive.volid))
    except ProxmoxRefused:
        return 0


def _made_by(session: Session, server: Server, archive: Archive) -> tuple[Service, Operation] | None:
    """Service and operation of an archive with our marker, if VMID, storage and both tokens match; else None."""
    marker = notes.find_marker(archive.notes)
    if marker is None:
        return None
    service = session.scalars(
        select(Service).where(
            Service.token == marker[0], Service.vmid == archive.vmid, Service.server_id == server.id
        )
    ).first()
    operation = session.scalars(select(Operation).where(Operation.token == marker[1])).first()
    if service is None or operation is None or operation.service_id != service.id or operation.state in ACTIVE_STATES:
        return None
    same_storage = recorded_archives.archive_storage(operation) == archive.volid.partition(":")[0]
    return (service, operation) if same_storage else None


def _adopt_marked_archive(
    session: Session, context: Context, server: Server, holder: str, archive: Archive, disks: int
) -> None:  # fmt: skip
    """Record an archive of ours that lost its row."""
    if made_by := _made_by(session, server, archive):
        recorded_archives.record_archive(
            session, *made_by, volid=archive.volid, node=holder, disks=disks, listed=archive,
            grace=context.settings.termination_grace,
        )  # fmt: skip
