"""Compares the database with Proxmox: backups per storage, VM status per server."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy import bindparam, exists, select

from ..context import Context
from ..errors import BackupsError, Message, ProxmoxError
from ..models import ENDED_STATES, Backup, Operation, Server, Service, Storage, now
from ..pve import cluster, vms
from ..pve.client import Proxmox
from . import compare_storage

log = logging.getLogger("puq_backups.sync")
BUSY = select(Operation.lock).where(Operation.lock.is_not(None))
ENDED_SINCE = select(Operation.service_id).where(
    Operation.state.in_(ENDED_STATES), Operation.finished_at >= bindparam("began")
)
VMS = select(Service.id, Service.vmid, Service.node, Service.vm_status, Service.vm_lock).where(
    Service.server_id == bindparam("server"), Service.active_vmid.is_not(None)
)


def refresh_vms(context: Context, server: Server) -> cluster.Resources:
    """Update node, status and lock of the VMs on a server, with one call to Proxmox. Returns what that listed.

    VMs with a running operation are left out: the cluster status may be seconds old, and the operation reads the
    VM's own status.
    """
    began = now()
    listed = cluster.resources(context.connect(server))
    with context.database.begin() as session:
        busy = set(session.connection().execute(BUSY).scalars())
        # The answer may still show the lock of an operation that ended during the call.
        busy |= set(session.connection().execute(ENDED_SINCE, {"began": began}).scalars())
        for service_id, vmid, *known in session.connection().execute(VMS, {"server": server.id}).all():
            place = listed.vms.get(vmid)
            changed = place is not None and known != [place.node, place.status, place.lock or ""]
            if place is None or service_id in busy or not (changed or place.lock):
                continue
            service = session.get_one(Service, service_id)
            service.node, service.vm_status, service.vm_lock = place.node, place.status, place.lock or ""
            service.vm_seen_at = began
    return listed


def sync_backups(context: Context, server: Server, progress: Callable[[], None] = lambda: None) -> Message | None:
    """Compare the recorded backups on a server with its storages. Returns the last failure as a Message.

    `progress` is called now and then.

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
            compare_storage.compare(context, proxmox, server, (storage, node, holder), began, progress)
        except Exception as error:
            reason = error if isinstance(error, BackupsError) else f"{type(error).__name__}: {error}"[:300]
            about = {"storage": storage, "node": node, "reason": reason}
            trouble = Message("The storage {storage}, seen from {node}, was not compared: {reason}", about)
            if isinstance(error, ProxmoxError):
                log.warning("%s", trouble)
            else:
                log.exception("%s", trouble)
    return trouble


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
