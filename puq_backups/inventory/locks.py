"""Locks the host's own VM actions: the reason to wait, and the lease that one action holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, ProxmoxError, Refused, VmMissing
from ..models import Operation, Server, Service, database_now, leases, now
from ..pve import vms
from .policy import RESTORE_FAILED, RUNNING_REASONS

ACTION_LEASE = timedelta(minutes=10)
PROXMOX_LOCK_MAX_AGE = timedelta(minutes=5)
"""A Proxmox lock seen longer ago is ignored, because its end is not reported to us."""

LEFT_BEHIND = Message("Proxmox still blocks this server. Our support has been told.")
LOCKING_KINDS = ("backup", "restore", "reinstall")


def lock_reason(session: Session, service_id: str) -> Message | None:
    """Why the host's VM actions must wait, or None. Uses stored state only; no Proxmox call."""
    service = session.get(Service, str(service_id))
    if service is None:
        return None
    running = select(Operation).where(Operation.lock == service.id, Operation.kind.in_(LOCKING_KINDS))
    return lock_reason_of(service, session.scalars(running).first())


def lock_reason_of(service: Service, running: Operation | None) -> Message | None:
    """The same as `lock_reason`, for a loaded service and its `running` operation."""
    if running is not None and running.kind in LOCKING_KINDS:
        return RUNNING_REASONS[running.kind]
    if service.problem:
        return Message.from_json(service.problem)
    if service.restore_failed:
        return RESTORE_FAILED
    if service.vm_lock_told_at:
        return LEFT_BEHIND
    if service.vm_lock and service.vm_seen_at and now() - service.vm_seen_at < PROXMOX_LOCK_MAX_AGE:
        return Message("Another task blocks this server now ({lock}).", {"lock": service.vm_lock})
    return None


def live_lock_reason(context: Context, service_id: str) -> Message | None:
    """The same as `lock_reason`, after asking Proxmox. If Proxmox cannot be reached, only our own locks count."""
    _refresh_vm_lock(context, service_id)
    with context.database.open() as session:
        return lock_reason(session, service_id)


@contextmanager
def vm_action(context: Context, service_id: str) -> Iterator[None]:
    """Context manager that locks a service for one VM action of the host.

    A lease keeps our operations from starting. It ends with the block, when the process dies, or after 10 minutes.
    Raises Refused if an operation of ours, a Proxmox lock or another action is in the way.
    """
    owner = leases.new_owner()
    _refresh_vm_lock(context, str(service_id))
    _acquire_lease(context, str(service_id), owner)
    try:
        yield
    finally:
        _release_lease(context, str(service_id), owner)


def _refresh_vm_lock(context: Context, service_id: str) -> None:
    """Store the VM's Proxmox lock and status, if Proxmox answers. Skipped while our own operation holds it."""
    with context.database.open() as session:
        service = session.get(Service, service_id)
        if service is None or _is_locked_by_us(session, service_id):
            return
        server = session.get_one(Server, service.server_id)
    try:
        seen = _vm_status(context, server, service)
    except ProxmoxError:
        return
    with context.database.begin() as session:
        if not _is_locked_by_us(session, service_id):
            seen_now = {"vm_lock": seen.lock or "", "vm_status": seen.status, "vm_seen_at": now()}
            session.execute(update(Service).where(Service.id == service_id).values(**seen_now))


def _is_locked_by_us(session: Session, service_id: str) -> bool:
    holding = select(Operation.id).where(Operation.lock == service_id, Operation.kind.in_(LOCKING_KINDS))
    return session.scalar(holding) is not None


def _vm_status(context: Context, server: Server, service: Service) -> vms.VmStatus:
    proxmox = context.connect(server)
    try:
        return vms.status(proxmox, service.node, service.vmid)
    except VmMissing:
        node = vms.find_node(proxmox, service.vmid)
        if not node:
            raise
        return vms.status(proxmox, node, service.vmid)


def _acquire_lease(context: Context, service_id: str, owner: str) -> None:
    """Take the lease, then check whether one of our operations was first.

    Starting an operation updates the same row, so that the later transaction sees the earlier one.
    """
    with context.database.begin() as session:
        clock = database_now(session)
        service = session.get(Service, service_id)
        if service is None:
            return
        before = service.vm_lease_owner
        if leases.is_held(before, service.vm_lease_until, clock):
            raise Refused("Another action on this server is running.")
        taken = session.execute(
            update(Service)
            .where(
                Service.id == service_id,
                Service.vm_lease_owner.is_(None) if before is None else Service.vm_lease_owner == before,
            )
            .values(vm_lease_owner=owner, vm_lease_until=clock + ACTION_LEASE)
            .execution_options(synchronize_session=False)
        )
        # No row: another action took it first.
        if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            raise Refused("Another action on this server is running.")
    with context.database.open() as session:
        against = lock_reason(session, service_id)
    if against:
        _release_lease(context, service_id, owner)
        raise Refused(against.text, **against.values)


def _release_lease(context: Context, service_id: str, owner: str) -> None:
    with context.database.begin() as session:
        session.execute(
            update(Service)
            .where(Service.id == service_id, Service.vm_lease_owner == owner)
            .values(vm_lease_owner=None, vm_lease_until=None)
        )
