"""Data of the staff page of a service: package, locks, operations with their audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..client_area import page
from ..context import Context
from ..errors import Message
from ..inventory.displayable import displayable
from ..inventory.policy import RUNNING_REASONS
from ..models import AuditEntry, Operation, Server, Service, SetAside, database_now, leases
from ..rules import package as packages
from ..rules.package import Package
from . import live_status, operation_lists, paging

ORDER = paging.Order(Operation.created_at)
SHOWN = 20


@dataclass(frozen=True)
class OperationDetails:
    """An operation with its audit entries, oldest first, and the UPIDs of its tasks. `why` is its reason, or why it
    waits.
    """

    operation: Operation
    step: str
    why: Message | None
    log: Sequence[AuditEntry]
    upids: list[str]


@dataclass(frozen=True)
class ServiceDetails:
    """Data of the page. `set_aside` is what cannot be done for the service, and why.

    `locks` says what locks the VM, as last seen; `purge_at` when backups are purged.
    """

    service: Service
    server: Server
    package: list[tuple[str, Any]]
    set_aside: list[tuple[str, Message | None]]
    locks: list[tuple[Message, datetime | None]]
    purge_at: datetime | None
    operations: paging.Page[OperationDetails]


def facts(session: Session, context: Context, service: Service, at: paging.Cursor = paging.START) -> ServiceDetails:
    """Return the staff-only data of the page. Makes no Proxmox call."""
    rows = select(Operation).where(Operation.service_id == service.id)
    found = paging.page(session, rows, ORDER, at, SHOWN)
    terminated, grace = service.terminated_at, context.settings.termination_grace
    return ServiceDetails(
        service, session.get_one(Server, service.server_id), _package(service),
        _set_aside(session, service),
        _locks(session, service),
        terminated + grace if terminated else None,
        paging.Page(_with_logs(session, context, service, found.rows), found.before, found.after),
    )  # fmt: skip


def _set_aside(session: Session, service: Service) -> list[tuple[str, Message | None]]:
    rows = select(SetAside).where(SetAside.service_id == service.id).order_by(SetAside.since)
    return [(row.work, Message.from_json(row.reason)) for row in session.scalars(rows)]


def _package(service: Service) -> list[tuple[str, Any]]:
    """Return the product settings that are not empty, by their titles."""
    package = Package.from_json(displayable(service).package)
    titles = {name: title for title, name in packages.OPTIONS}
    named = [(titles.get(field.name, "MAC"), getattr(package, field.name)) for field in fields(package)]
    return [(title, value) for title, value in named if value not in {None, ""}]


def _locks(session: Session, service: Service) -> list[tuple[Message, datetime | None]]:
    """Return what locks the VM (our operation, the host's action, Proxmox's lock), each with its start if known."""
    found: list[tuple[Message, datetime | None]] = []
    running = session.scalars(select(Operation).where(Operation.lock == service.id)).first()
    if running:
        found.append((RUNNING_REASONS[running.kind], running.started_at))
    if leases.is_held(service.vm_lease_owner, service.vm_lease_until, database_now(session)):
        found.append((operation_lists.HOST_ACTS, None))
    if service.vm_lock:
        lock = Message("Another task blocks this server now ({lock}).", {"lock": service.vm_lock})
        found.append((lock, service.vm_seen_at))
    return found


def _with_logs(
    session: Session, context: Context, service: Service, operations: Sequence[Operation]
) -> list[OperationDetails]:
    ids = [operation.id for operation in operations]
    of = (AuditEntry.service_id == service.id, AuditEntry.operation_id.in_(ids))
    logs: dict[str, list[AuditEntry]] = {}
    for entry in session.scalars(select(AuditEntry).where(*of).order_by(AuditEntry.at)):
        logs.setdefault(str(entry.operation_id), []).append(entry)
    waiting = operation_lists.rows_of(session, [one for one in operations if one.state == "waiting"])
    whys = {
        line.operation.id: line.why for line in operation_lists.with_wait_reasons(session, context.settings, waiting)
    }
    return [
        OperationDetails(
            displayable(one),
            page.step_label(one),
            whys.get(one.id, one.why),
            logs.get(one.id, []),
            live_status.upids(one),
        )
        for one in operations
    ]
