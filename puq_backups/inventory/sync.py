"""Compares the database with Proxmox: backups per storage, VM status per server."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError, Message, ProxmoxError, ProxmoxRefused
from ..models import ACTIVE_STATES, ENDED_STATES, Backup, Operation, Server, Service, Storage, now
from ..pve import archives, notes, values, vms
from ..pve.client import Proxmox
from . import removed_volumes, service_backups, storage_status

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
        ours = select(Service.id, Service.vmid, Service.node, Service.vm_status, Service.vm_lock).where(
            Service.server_id == server.id, Service.active_vmid.is_not(None)
        )
        for service_id, vmid, *known in session.execute(ours).all():
            place = places.get(vmid)
            changed = place is not None and known != [place.node, place.status, place.lock or ""]
            if place is None or service_id in busy or not (changed or place.lock):
                continue
            service = session.get_one(Service, service_id)
            service.node, service.vm_status, service.vm_lock = place.node, place.status, place.lock or ""
            service.vm_seen_at = began


def sync_backups(context: Context, server: Server) -> Message | None:
    """Compare the recorded backups on a server with its storages. Returns the last failure as a Message.

    1. List each storage that holds recorded backups, from a node that can read it.
    2. Update size, kept and verification of the listed ones; adopt archives with our marker.
    3. Ask by name for each that is not listed, because a listing may be incomplete.
    4. A backup gone in two syncs `missing_after` apart, with the storage active, is marked missing.
    5. A volume that we removed and that is there again, as after a share was mounted again, is removed again.

    A storage that cannot be compared, for whatever reason, does not keep the others from being compared.
    """
    proxmox, trouble, began = context.connect(server), None, now()
    for storage, node, holder in _storages_to_list(context, server, proxmox):
        try:
            _compare_storage(context, proxmox, server, (storage, node, holder), began)
        except Exception as error:
            reason = error if isinstance(error, BackupsError) else f"{type(error).__name__}: {error}"[:300]
            about = {"storage": storage, "node": node, "reason": reason}
            trouble = Message("The storage {storage}, seen from {node}, was not compared: {reason}", about)
            if isinstance(error, ProxmoxError):
                log.warning("%s", trouble)
            else:
                log.exception("%s", trouble)
    return trouble


def _compare_storage(
    context: Context, proxmox: Proxmox, server: Server, place: tuple[str, str, str], began: datetime
) -> None:
    storage, node, holder = place
    node, seen = archives.readable_from(proxmox, node, storage)
    # An offline storage cannot be listed, but its status is stored.
    found = archives.listing(proxmox, node, storage) if seen.active else []
    listed = {archive.volid: archive for archive in found}
    gone = _find_gone(context, proxmox, server, (storage, node, holder), listed) if seen.active else set()
    disks = _count_disks(context, proxmox, server, node, listed)
    with context.database.begin() as session:
        row = storage_status.save_storage(session, server, storage, node, seen)
        known = _apply_listing(session, context, server, (storage, holder), listed, gone, disks)
        removed_volumes.compare(session, (server.id, storage, holder), listed, gone, began)
        there = [backup for backup in known if backup.volid in listed]
        row.synced_at, row.backup_count = now(), len(there)
        row.backup_bytes = min(sum(backup.size or 0 for backup in there), values.BIGGEST)


def _storages_to_list(context: Context, server: Server, proxmox: Proxmox) -> list[tuple[str, str, str]]:
    """(storage, node to ask, node of a local storage or "") for all recorded backups on a server.

    Storages that staff declared gone are left out.
    """
    given_up = exists().where(
        Storage.server_id == server.id, Storage.name == Backup.storage, Storage.node == Backup.node,
        Storage.given_up_at.is_not(None),
    )  # fmt: skip
    with context.database.open() as session:
        rows = session.execute(
            select(Backup.storage, Backup.node, Service.node, Service.server_id)
            .join(Service, Service.id == Backup.service_id)
            .where(Backup.server_id == server.id, Backup.gone_at.is_(None), ~given_up)
            .distinct()
        ).all()
    found: dict[tuple[str, str], str] = {}
    for storage, holder, node, on in rows:
        # A service that has moved to another server tells nothing of this one's nodes.
        known = holder or (node if on == server.id else "")
        found[storage, holder] = found.get((storage, holder)) or known
    if not all(found.values()):
        anywhere = vms.online_nodes(proxmox)[0]
        found = {place: node or anywhere for place, node in found.items()}
    return [(storage, node, holder) for (storage, holder), node in found.items()]


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
        if listed:
            # Something is listed, so the storage is mounted: what we removed can be asked for, too.
            lacking |= removed_volumes.unconfirmed(session, (server.id, storage, holder)) - set(listed)
    return {volid for volid in lacking if archives.find(proxmox, node, volid) is None}


def _count_disks(
    context: Context, proxmox: Proxmox, server: Server, node: str, listed: dict[str, archives.Archive]
) -> dict[str, int]:
    """The number of disks, by its own configuration, in each archive of ours that lost its row.

    0 if Proxmox refuses to show it, so that nobody relies on the archive.
    """
    with context.database.open() as session:
        recorded = set(session.scalars(select(Backup.volid).where(Backup.server_id == server.id)))
        lost = [one for volid, one in listed.items() if volid not in recorded and _made_by(session, server, one)]
    found = {}
    for archive in lost:
        try:
            found[archive.volid] = vms.backed_up_disks(archives.archived_config(proxmox, node, archive.volid))
        except ProxmoxRefused:
            found[archive.volid] = 0
    return found


def _apply_listing(
    session: Session, context: Context, server: Server, place: tuple[str, str],
    listed: dict[str, archives.Archive], gone: set[str], disks: dict[str, int],
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
    for volid in sorted(set(disks) - recorded):
        try:
            with session.begin_nested():
                _adopt_marked_archive(session, server, place[1], listed[volid], disks[volid])
        except Exception:
            # Its service or operation cannot be read: the other archives are compared all the same.
            log.exception("the archive %s could not be recorded", volid)
    return known


def _made_by(session: Session, server: Server, archive: archives.Archive) -> tuple[Service, Operation] | None:
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
    same_storage = service_backups.archive_storage(operation) == archive.volid.partition(":")[0]
    return (service, operation) if same_storage else None


def _adopt_marked_archive(
    session: Session, server: Server, holder: str, archive: archives.Archive, disks: int
) -> None:
    """Record an archive of ours that lost its row."""
    if made_by := _made_by(session, server, archive):
        service_backups.record_archive(
            session, *made_by, volid=archive.volid, node=holder, disks=disks, listed=archive
        )
