"""Foreign archives: archives with a service's VMID that are recorded for no service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..client_area.backups import NOTE_MAX_LENGTH
from ..context import Context
from ..errors import Message, ProxmoxError
from ..inventory import recorded_archives
from ..models import ACTIVE_STATES, Backup, HiddenVolume, Operation, Service, now
from ..pve import archives, notes
from ..pve.client import Proxmox
from ..rules import wall_time
from ..rules.schedule import Schedule


@dataclass(frozen=True)
class ForeignArchive:
    """An archive that no service has. `marked_for` is the service named by its marker, `against` why it cannot be
    adopted.
    """

    archive: archives.Archive
    made_at: datetime | None
    note: str
    hidden: bool
    marked_for: Service | None
    against: Message | None


def find(
    context: Context, proxmox: Proxmox, service: Service, node: str
) -> tuple[list[ForeignArchive], list[Message]]:
    """Return the foreign archives visible on the VM's node, newest first, and the errors of unreadable storages."""
    listed, storage_errors = _listed(proxmox, service, node)
    with context.database.open() as session:
        return sorted(unowned(session, service, listed), key=_age, reverse=True), storage_errors


def _age(one: ForeignArchive) -> tuple[int, str]:
    return one.archive.created_at or 0, one.archive.volid


def _listed(proxmox: Proxmox, service: Service, node: str) -> tuple[list[archives.Archive], list[Message]]:
    listed: list[archives.Archive] = []
    storage_errors = []
    for storage in archives.storages(proxmox, node):
        if "backup" not in storage.content or not storage.enabled:
            continue
        try:
            listed += archives.listing(proxmox, node, storage.storage, service.vmid)
        except ProxmoxError as error:
            storage_errors.append(
                Message("{storage}: {reason}", {"storage": storage.storage, "reason": error.message})
            )
    return listed, storage_errors


def unowned(session: Session, service: Service, listed: Sequence[archives.Archive]) -> list[ForeignArchive]:
    """Return those of the listed archives that are recorded for no service and not being made now. Four queries."""
    volids = [archive.volid for archive in listed]
    here = Backup.server_id == service.server_id
    known = select(Backup.volid).where(here, Backup.volid.in_(volids), Backup.removed_at.is_(None))
    recorded = set(session.scalars(known))
    hidden = set(
        session.scalars(select(HiddenVolume.volid).where(
            HiddenVolume.server_id == service.server_id, HiddenVolume.volid.in_(volids)
        ))
    )  # fmt: skip
    markers = {archive.volid: notes.find_marker(archive.notes) for archive in listed}
    tokens = [marker[0] for marker in markers.values() if marker]
    owners = {one.token: one for one in session.scalars(select(Service).where(Service.token.in_(tokens)))}
    live = select(Operation.token).where(Operation.service_id == service.id, Operation.state.in_(ACTIVE_STATES))
    being_made = set(session.scalars(live))
    return [
        _foreign(archive, service, owners.get(marker[0]) if marker else None, hidden=archive.volid in hidden)
        for archive in listed
        for marker in (markers[archive.volid],)
        if archive.volid not in recorded and not (marker and marker[1] in being_made)
    ]


def _foreign(archive: archives.Archive, service: Service, owner: Service | None, *, hidden: bool) -> ForeignArchive:
    others = owner is not None and owner.client_id != service.client_id
    against = Message("It is marked as a backup of another client's service ({service}).", {
        "service": owner.id if owner else "",
    }) if others else None  # fmt: skip
    made_at = datetime.fromtimestamp(archive.created_at, UTC) if archive.created_at else None
    note = notes.MARKER.sub("", archive.notes).strip()
    return ForeignArchive(archive, made_at, note, hidden, owner, against)


def record(
    session: Session, service: Service, found: ForeignArchive, holder: str, disks: int, kind: str
) -> Backup:  # fmt: skip
    """Record a foreign archive as a backup of the service, in the caller's transaction.

    `holder` is the node that holds it ("" on a shared storage), `kind` is adopted or imported.
    """
    archive, made_at = found.archive, found.made_at or now()
    zone = Schedule.from_json(service.schedule).timezone
    recorded_archives.delete_removed_row(session, service.server_id, archive.volid)
    backup = Backup.of(
        service, volid=archive.volid, kind=kind, storage=archive.volid.partition(":")[0], node=holder,
        note=found.note[:NOTE_MAX_LENGTH], disks=disks, created_at=made_at,
        local_date=wall_time.local_date(made_at, zone).isoformat(),
    )  # fmt: skip
    recorded_archives.update_from_archive(backup, archive)
    session.add(backup)
    return backup
