"""Looks for what stands still on a server and nobody asked about: locks left behind, storages that do not answer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, or_, select

from ..context import Context
from ..errors import Message, ProxmoxError
from ..inventory import storage_status
from ..mail import trouble
from ..models import Operation, Server, Service, Storage, now
from ..pve import storages, tasks, vms
from ..pve.client import Proxmox
from ..pve.upid import Upid

log = logging.getLogger("puq_backups.clock")
STORAGES = select(Storage).where(Storage.server_id == bindparam("server")).order_by(Storage.id)
SUSPECTS = select(Service).where(
    Service.server_id == bindparam("server"), Service.active_vmid.is_not(None),
    Service.id.not_in(select(Operation.lock).where(Operation.lock.is_not(None))),
    or_(Service.vm_lock != "", Service.id.in_(bindparam("told", expanding=True))),
)  # fmt: skip
CONFIRMED_AFTER = timedelta(minutes=1)
"""A lock without a task is told when it is seen again so much later: its task may just have ended."""
LEFT_LOCK = Message(
    "Proxmox holds the machine {vmid} locked ({lock}), and no task of it runs that our token can see. "
    "If nobody works on it, `qm unlock {vmid}` on the node {node} clears the lock; no API token can."
)
SILENT = Message("The storage {storage} does not answer. Backups on it can neither be made nor restored.")


def look(context: Context, server: Server, listed: dict[tuple[str, str], bool]) -> None:
    """Tell staff of what stands still on a server, and of what does so no more.

    `listed` says by (node, name) whether each storage answers, as the cluster listed it. Without a locked VM and with
    all storages there it makes no call.
    """
    proxmox = context.connect(server)
    with context.database.open() as session:
        told = trouble.known(session, server.id)
        rows = session.scalars(STORAGES, {"server": server.id}).all()
        locks = {key for kind, key in told if kind == "lock"}
        suspects = session.scalars(SUSPECTS, {"server": server.id, "told": sorted(locks)}).all()
    _look_at_storages(context, server, proxmox, rows, listed, {key for kind, key in told if kind == "storage"})
    _look_at_locks(context, server, proxmox, suspects, locks)
    if ("server", server.id) in told:
        with context.database.begin() as session:
            trouble.over(session, context, "server", server.id)


def _look_at_locks(
    context: Context, server: Server, proxmox: Proxmox, suspects: Sequence[Service], told: set[str]
) -> None:  # fmt: skip
    left, unread = _left_behind(proxmox, suspects)
    if not left and not told:
        return
    with context.database.begin() as session:
        for key in told - left.keys() - unread:
            trouble.over(session, context, "lock", key)
        for service in session.scalars(select(Service).where(Service.id.in_(left.keys()))):
            reason = Message(LEFT_LOCK.text, vmid=service.vmid, node=service.node, lock=left[service.id])
            row = trouble.note(
                session, "lock", service.id, reason, server_id=server.id, service_id=service.id
            )  # fmt: skip
            if now() - row.since >= CONFIRMED_AFTER:
                trouble.on_lock(session, context, service, reason)


def _left_behind(proxmox: Proxmox, suspects: Sequence[Service]) -> tuple[dict[str, str], set[str]]:
    """The locks that VMs have now and that no running task explains, by service id; and the ids of those unread."""
    found: dict[str, str] = {}
    unread: set[str] = set()
    for service in suspects:
        try:
            lock = vms.status(proxmox, service.node, service.vmid).lock
            if lock and str(service.vmid) not in _busy(proxmox, service.node):
                found[service.id] = lock
        except ProxmoxError as error:
            log.info("the lock of VM %s could not be read: %s", service.vmid, error)
            unread.add(service.id)
    return found, unread


def _busy(proxmox: Proxmox, node: str) -> set[str]:
    """VMIDs with a running task that the token may see."""
    return {Upid.parse(upid).id for upid in tasks.active(proxmox, node)}


def _look_at_storages(
    context: Context, server: Server, proxmox: Proxmox, rows: Sequence[Storage],
    listed: dict[tuple[str, str], bool], told: set[str],
) -> None:  # fmt: skip
    watched = [storage for storage in rows if storage.given_up_at is None]
    silent = {storage.id for storage in watched if _is_silent(proxmox, storage, listed)}
    answers = {storage.id for storage in watched if storage.id in told - silent}
    moved = {storage.id for storage in rows if _has_moved(storage, listed)}
    if not silent | answers | moved:
        return
    with context.database.begin() as session:
        for storage in session.scalars(select(Storage).where(Storage.id.in_(silent | answers | moved))):
            if storage.id in moved:
                storage.nodes = _nodes(storage, listed)
                storage_status.make_protection_due(session, storage)
            if storage.id in silent:
                trouble.on_storage(session, context, server, storage.id, Message(SILENT.text, storage=storage.name))
            elif storage.id in answers:
                trouble.over(session, context, "storage", storage.id)


def _has_moved(storage: Storage, listed: dict[tuple[str, str], bool]) -> bool:
    """Whether other nodes than known have a shared storage: backups on it can be restored there alone."""
    return storage.node == "" and _nodes(storage, listed) not in {"", storage.nodes}


def _nodes(storage: Storage, listed: dict[tuple[str, str], bool]) -> str:
    return ",".join(sorted(node for node, name in listed if name == storage.name))


def _is_silent(proxmox: Proxmox, storage: Storage, listed: dict[tuple[str, str], bool]) -> bool:
    """Whether no node reaches the storage; one that is not listed may only be hidden from the token."""
    here = {node: there for (node, name), there in listed.items() if name == storage.name}
    seen = [there for node, there in here.items() if storage.node in {"", node}]
    if not seen or any(seen):
        return False
    try:
        # The list lags by some seconds.
        return not storages.readable_from(proxmox, storage.node or next(iter(here)), storage.name)[1].active
    except ProxmoxError as error:
        log.info("the storage %s could not be read: %s", storage.name, error)
        return True
