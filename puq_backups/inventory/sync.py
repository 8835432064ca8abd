"""Compares the database with Proxmox: backups per storage, VM status per server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, ProxmoxError
from ..models import ACTIVE_STATES, ENDED_STATES, Backup, Operation, Server, Service, now
from ..pve import archives, notes, vms
from ..pve.client import Proxmox
from . import service_backups

log = logging.getLogger("puq_backups.sync")


def refresh_vms(context: Context, server: Server) -> None:
    """Update node, status and lock of the VMs on a server, with one call to Proxmox.

    VMs with a running operation are left out: the cluster status may be seconds old, and the operation reads the
    VM's own status.
    """
    began = now()
    places = vms.locate(context.connect(server))
    with context.database.begin() as session:
        busy = set(session.scalars(select(Operation.lock).where(Operation.lock.is_not(None))))
        # The answer may still show the lock of an operation that ended during the call.
        just_ended = Operation.state.in_(ENDED_STATES), Operation.finished_at >= began
        busy |= set(session.scalars(select(Operation.service_id).where(*just_ended)))
        ours = select(Service).where(Service.server_id == server.id, Service.active_vmid.is_not(None))
        for service in session.scalars(ours):
            place = places.get(service.vmid)
            if place is not None and service.id not in busy:
                service.node, service.vm_status = place.node, place.status
                service.vm_lock = place.lock or ""


def sync_backups(context: Context, server: Server) -> Message | None:
    """Compare the recorded backups on a server with its storages. Returns the last failure as a Message.

    1. List each storage that holds recorded backups, from a node that can read it.
    2. Update size, kept and verification of the listed ones; adopt archives with our marker.
    3. Ask by name for each that is not listed, because a listing may be incomplete.
    4. A backup gone in two syncs `missing_after` apart, with the storage active, is marked missing.
    """
    proxmox, trouble = context.connect(server), None
    for storage, node, holder in _storages_to_list(context, server):
        try:
            seen = archives.storage_status(proxmox, node, storage)
            # An offline storage cannot be listed, but its status is stored.
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
    """(storage, node to ask, node of a local storage or "") for all recorded backups on a server."""
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
    return {volid for volid in lacking if archives.find(proxmox, node, volid) is None}


def _apply_listing(
    session: Session, context: Context, server: Server, place: tuple[str, str],
    listed: dict[str, archives.Archive], gone: set[str],
) -> Sequence[Backup]:  # fmt: skip
    """Update listed and gone backups, and adopt new ones. Returns the backups that were recorded before."""
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
    """Record an archive with our marker that has no row, if its VMID, storage and both tokens match."""
    marker = notes.find_marker(archive.notes)
    if marker is None:
        return
    service = session.scalars(
        select(Service).where(
            Service.token == marker[0], Service.vmid == archive.vmid, Service.server_id == server.id
        )
    ).first()
    operation = session.scalars(select(Operation).where(Operation.token == marker[1])).first()
    if service is None or operation is None or operation.service_id != service.id or operation.state in ACTIVE_STATES:
        return
    if service_backups.archive_storage(operation) != archive.volid.partition(":")[0]:
        return
    backup = service_backups.record_archive(session, service, operation, volid=archive.volid, node=holder, disks=1)
    service_backups.update_from_archive(backup, archive)
