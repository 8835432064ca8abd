"""Staff's lists of operations by state, with the reason why waiting ones wait and their place in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from ..client_area import page
from ..config import Settings
from ..context import Context
from ..errors import Message
from ..inventory import policy
from ..inventory.displayable import displayable
from ..models import ACTIVE_STATES, ENDED_STATES, Operation, Server, Service, database_now, leases, now
from ..operations import queue, start_conditions
from . import paging

STATES = (*ACTIVE_STATES, *ENDED_STATES)
ORDERS = {
    "running": paging.Order(Operation.created_at, newest_first=False),
    "stuck": paging.Order(Operation.created_at, newest_first=False),
    "waiting": paging.Order(Operation.wake_at, newest_first=False),
    **{state: paging.Order(Operation.finished_at) for state in ENDED_STATES},
}
"""Order for each state: live operations oldest first, ended ones newest first."""

HOST_ACTS = Message("The billing application acts on the virtual machine just now.")


@dataclass(frozen=True)
class Row:
    """An operation in a list. `why` is its reason or why it waits, `place` its position in the node's queue."""

    operation: Operation
    service: Service
    server: Server
    step: str
    why: Message | None
    place: int | None = None


def in_state(
    session: Session, context: Context, state: str, at: paging.Cursor = paging.START, *,
    since: datetime | None = None, size: int = paging.SIZE,
) -> paging.Page[Row]:  # fmt: skip
    """Return a page of the operations in a state; of ended ones only those that ended at or after `since`."""
    found = paging.page(session, _rows(state, since), ORDERS[state], at, size)
    listed = rows_of(session, found.rows)
    return paging.Page(with_wait_reasons(session, context.settings, listed) if state == "waiting" else listed,
                       found.before, found.after)  # fmt: skip


def _rows(state: str, since: datetime | None) -> Select[Operation]:
    rows = select(Operation).where(Operation.state == state)
    return rows.where(Operation.finished_at >= since) if since and state in ENDED_STATES else rows


def counts(session: Session, since: datetime) -> dict[str, int]:
    """Count the operations in each state, ended ones since `since`, each up to COUNT_LIMIT + 1. One query."""
    columns = [
        select(func.count())
        .select_from(_rows(state, since).with_only_columns(Operation.id).limit(paging.COUNT_LIMIT + 1).subquery())
        .scalar_subquery()
        .label(state)
        for state in STATES
    ]
    return dict(zip(STATES, session.execute(select(*columns)).one(), strict=True))


def rows_of(session: Session, operations: Sequence[Operation]) -> list[Row]:
    """Return list rows for operations, with their services and servers. Two queries."""
    ids = {operation.service_id for operation in operations}
    services = {one.id: one for one in session.scalars(select(Service).where(Service.id.in_(ids)))}
    of = {service.server_id for service in services.values()}
    servers = {one.id: one for one in session.scalars(select(Server).where(Server.id.in_(of)))}
    return [
        Row(
            displayable(operation),
            displayable(service),
            servers[service.server_id],
            page.step_label(operation),
            operation.why,
        )
        for operation in operations
        for service in (services[operation.service_id],)
    ]


@dataclass(frozen=True)
class Blockers:
    """What blocks waiting operations: running kinds by service id, services with another kind waiting, and the number
    of running backups.
    """

    running: dict[str, str]
    first: set[str]
    backups: queue.Running


def with_wait_reasons(session: Session, settings: Settings, listed: list[Row]) -> list[Row]:
    """Return the rows of waiting operations with `why` and `place` set. Five queries for any number of rows."""
    if not listed:
        return []
    blockers, clock = _blockers(session, listed), database_now(session)
    places = queue.positions(session, {(row.service.server_id, row.service.node) for row in listed})
    return [
        replace(row, place=places.get(row.operation.id), why=_wait_reason(row, blockers, settings, clock))
        for row in listed
    ]


def _blockers(session: Session, listed: list[Row]) -> Blockers:
    ids = [row.service.id for row in listed]
    running = select(Operation.service_id, Operation.kind).where(Operation.lock.in_(ids))
    others = (Operation.service_id.in_(ids), Operation.state == "waiting", Operation.kind != "backup")
    return Blockers(
        {service_id: kind for service_id, kind in session.execute(running)},  # noqa: C416 - rows are no tuples to mypy
        set(session.scalars(select(Operation.service_id).where(*others))),
        queue.running_backups(session),
    )


def _wait_reason(row: Row, blockers: Blockers, settings: Settings, clock: datetime) -> Message:
    """Return why an operation waits, checked in the order of `state_changes.start`."""
    operation, service = row.operation, row.service
    place = queue.Place(service.server_id, service.node)
    if operation.wake_at > now():
        again = Message("It is tried again at {when}.", {"when": operation.wake_at})
        return Message("{reason} {again}", {"reason": operation.why, "again": again}) if operation.why else again
    if leases.is_held(service.vm_lease_owner, service.vm_lease_until, clock):
        return HOST_ACTS
    if service.id in blockers.running:
        return policy.RUNNING_REASONS[blockers.running[service.id]]
    if operation.kind == "backup" and service.id in blockers.first:
        return start_conditions.OTHERS_FIRST
    if operation.kind == "backup" and blockers.backups.nodes[place] >= settings.per_node:
        return start_conditions.NODE_BUSY
    if operation.kind == "backup" and queue.is_full(settings, blockers.backups, service.server_id, operation.storage):
        return start_conditions.STORAGE_BUSY
    return Message("It starts with the next look at the queue.")
