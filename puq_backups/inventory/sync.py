"""Comparing what we know with what Proxmox has: backups a storage at a time, VMs a server at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, ProxmoxError
from ..models import ENDED, LIVE, Backup, Operation, Server, Service, now
from ..pve import backups as archives
from ..pve import notes, vms
from ..pve.client import Proxmox
from . import service_backups

log = logging.getLogger("puq_backups.sync")


def refresh_vms(context: Context, server: Server) -> None:
    """See where the VMs of our services are, and whether they run: one call for a whole server.

    What Proxmox's broadcast says may be seconds old: while an operation of ours runs, its own looks count.
    """
    began = now()
    places = vms.locate(context.connect(server))
    with context.database.begin() as session:
        busy = set(session.scalars(select(Operation.lock).where(Operation.lock.is_not(None))))
        # Of one that ended while we asked we may have been told the lock that is gone by now.
        just_ended = Operation.state.in_(ENDED), Operation.finished_at >= began
        busy |= set(session.scalars(select(Operation.service_id).where(*just_ended)))
        ours = select(Service).where(Service.server_id == server.id, Service.active_vmid.is_not(None))
        for service in session.scalars(ours):
            place = places.get(service.vmid)
            if place is not None and service.id not in busy:
                service.node, service.vm_status = place.node, place.status
                service.vm_lock = place.lock or ""


def sync_backups(context: Context, server: Server) -> Message | None:
    """Compare our backups on a server with what its storages hold, one listing a storage: what came in the way.

    1. List each storage that a service of ours uses, from a node that reads it.
    2. Take over size, kept and verification of those found; adopt those that carry a service's marker.
    3. Ask by name for each that the listing lacks: an empty listing proves nothing.
    4. Gone in two syncs `missing_after` apart, with the storage active: missing.
    """
    proxmox, trouble = context.connect(server), None
    for storage, node, holder in _storages_to_list(context, server):
        try:
            seen = archives.storage_status(proxmox, node, storage)
            # An offline storage cannot be listed; that it is offline is worth knowing.
            found = archives.listing(proxmox, node, storage) if seen.active else []
            listed = {archive.volid: archive for archive in found}
            gone = _find_gone(context, proxmox, server, (storage, node, holder), listed) if seen.active else set()
        except ProxmoxError as error:
            values = {"storage": storage, "node": node, "reason": error}
            trouble = Message("The storage {storage}, seen from {node}, was not compared: {reason}", values)
            log.warning("%s", trouble)
            continue
        with context.database.begin() as session:
            row = service_backups.save_storage(session, server, storage, node, seen)
            known = _apply_listing(session, context, server, (storage, holder), listed, gone)
            there = [backup for backup in known if backup.volid in listed]
            row.synced_at, row.backup_count = now(), len(there)
            row.backup_bytes = sum(backup.size or 0 for backup in there)
    return trouble


def _storages_to_list(context: Context, server: Server) -> list[tuple[str, str, str]]:
    """(storage, node to ask, node that holds it or "") of all our backups on a server."""
    with context.database.open() as session:
        rows = session.execute(
            select(Backup.storage, Backup.node, Service.node)
            .join(Service, Service.id == Backup.service_id)
            .where(Backup.server_id == server.id, Backup.removed_at.is_(None))
            .distinct()
        ).all()
    found: dict[tuple[str, str], str] = {}
    for storage, holder, node in rows:
        found.setdefault((storage, holder), holder or node)
    return [(storage, node, holder) for (storage, holder), node in found.items() if node]


def _known_backups(session: Session, server: Server, storage: str, holder: str) -> Sequence[Backup]:
    return session.scalars(
        select(Backup).where(
            Backup.server_id == server.id, Backup.storage == storage, Backup.node == holder,
            Backup.removed_at.is_(None),
        )
    ).all()  # fmt: skip


def _find_gone(
    context: Context, proxmox: Proxmox, server: Server, place: tuple[str, str, str], listed: Iterable[str]
) -> set[str]:
    storage, node, holder = place
    with context.database.open() as session:
        lacking = {backup.volid for backup in _known_backups(session, server, storage, holder)} - set(listed)
    return {volid for volid in lacking if archives.one(proxmox, node, volid) is None}


def _apply_listing(
    session: Session, context: Context, server: Server, place: tuple[str, str],
    listed: dict[str, archives.Archive], gone: set[str],
) -> Sequence[Backup]:  # fmt: skip
    """Take over what was listed and what was gone; the backups that were known before."""
    known = _known_backups(session, server, *place)
    for backup in known:
        if backup.volid in listed:
            service_backups.update_from_archive(backup, listed[backup.volid])
        elif backup.volid in gone:
            if backup.gone_since is None:
                backup.gone_since = now()
            elif backup.missing_at is None and now() - backup.gone_since >= context.settings.missing_after:
                backup.missing_at = now()
    recorded = set(session.scalars(select(Backup.volid).where(Backup.server_id == server.id)))
    for volid in set(listed) - recorded:
        _adopt_marked_archive(session, server, place[1], listed[volid])
    return known


def _adopt_marked_archive(session: Session, server: Server, holder: str, archive: archives.Archive) -> None:
    """Record an archive of ours that lost its row: VMID, storage and both tokens of its marker must agree."""
    marker = notes.find_marker(archive.notes)
    if marker is None:
        return
    service = session.scalars(
        select(Service).where(
            Service.token == marker[0], Service.vmid == archive.vmid, Service.server_id == server.id
        )
    ).first()
    operation = session.scalars(select(Operation).where(Operation.token == marker[1])).first()
    if service is None or operation is None or operation.service_id != service.id or operation.state in LIVE:
        return
    if service_backups.archive_storage(operation) != archive.volid.partition(":")[0]:
        return
    backup = service_backups.record_archive(session, service, operation, volid=archive.volid, node=holder, disks=1)
    service_backups.update_from_archive(backup, archive)
