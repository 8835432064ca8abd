"""Operations in lists: which run, wait or have ended, of which service, and why those wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from ..client_area import page
from ..config import Settings
from ..context import Context
from ..errors import Message
from ..inventory import policy
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
"""What runs or waits longest comes first; of what has ended the newest."""

HOST_ACTS = Message("The billing application acts on the virtual machine just now.")


@dataclass(frozen=True)
class Line:
    """An operation in a list. `why` is its reason, or why it waits; `place` its place in its node's queue."""

    operation: Operation
    service: Service
    server: Server
    step: str
    why: Message | None
    place: int | None = None


def in_state(
    session: Session, context: Context, state: str, at: paging.Place = paging.START, *,
    since: datetime | None = None, size: int = paging.SIZE,
) -> paging.Page[Line]:  # fmt: skip
    """A page of the operations in a state; of ended ones those that ended `since` then."""
    found = paging.page(session, _rows(state, since), ORDERS[state], at, size)
    listed = lines(session, found.rows)
    return paging.Page(waiting(session, context.settings, listed) if state == "waiting" else listed,
                       found.before, found.after)  # fmt: skip


def _rows(state: str, since: datetime | None) -> Select[Operation]:
    rows = select(Operation).where(Operation.state == state)
    return rows.where(Operation.finished_at >= since) if since and state in ENDED_STATES else rows


def counts(session: Session, since: datetime) -> dict[str, int]:
    """How many operations are in each state, of ended ones since then; counted up to one more than MOST."""
    columns = [
        select(func.count())
        .select_from(_rows(state, since).with_only_columns(Operation.id).limit(paging.MOST + 1).subquery())
        .scalar_subquery()
        .label(state)
        for state in STATES
    ]
    return dict(zip(STATES, session.execute(select(*columns)).one(), strict=True))


def lines(session: Session, operations: Sequence[Operation]) -> list[Line]:
    """Operations with their services and servers, in two queries."""
    ids = {operation.service_id for operation in operations}
    services = {one.id: one for one in session.scalars(select(Service).where(Service.id.in_(ids)))}
    of = {service.server_id for service in services.values()}
    servers = {one.id: one for one in session.scalars(select(Server).where(Server.id.in_(of)))}
    return [
        Line(operation, service, servers[service.server_id], page.step_label(operation), operation.why)
        for operation in operations
        for service in (services[operation.service_id],)
    ]


@dataclass(frozen=True)
class Held:
    """What holds waiting operations up: services, by what, and how many backups run on each node and storage."""

    running: dict[str, str]
    first: set[str]
    nodes: Counter[tuple[str, str]] = field(default_factory=Counter)
    storages: Counter[tuple[str, str]] = field(default_factory=Counter)


def waiting(session: Session, settings: Settings, listed: list[Line]) -> list[Line]:
    """The lines with why each of them waits and its place in the queue, in five queries however many there are."""
    if not listed:
        return []
    held, clock = _held(session, listed), database_now(session)
    places = queue.positions(session, {(line.service.server_id, line.service.node) for line in listed})
    return [
        replace(line, place=places.get(line.operation.id), why=_why(line, held, settings, clock)) for line in listed
    ]


def _held(session: Session, listed: list[Line]) -> Held:
    ids = [line.service.id for line in listed]
    running = select(Operation.service_id, Operation.kind).where(Operation.lock.in_(ids))
    others = (Operation.service_id.in_(ids), Operation.state == "waiting", Operation.kind != "backup")
    found = Held(
        {service_id: kind for service_id, kind in session.execute(running)},  # noqa: C416 - rows are no tuples to mypy
        set(session.scalars(select(Operation.service_id).where(*others))),
    )
    running_backups = (
        select(Service.server_id, Service.node, Operation.storage, func.count())
        .join(Service, Service.id == Operation.service_id)
        .where(Operation.kind == "backup", Operation.state.in_(("running", "stuck")))
        .group_by(Service.server_id, Service.node, Operation.storage)
    )
    for server_id, node, storage, number in session.execute(running_backups):
        found.nodes[server_id, node] += number
        found.storages[server_id, storage] += number
    return found


def _why(line: Line, held: Held, settings: Settings, clock: datetime) -> Message:
    """What `state_changes.start` would find, in its order."""
    operation, service = line.operation, line.service
    if operation.wake_at > now():
        again = Message("It is tried again at {when}.", {"when": operation.wake_at})
        return Message("{reason} {again}", {"reason": operation.why, "again": again}) if operation.why else again
    if leases.is_held(service.vm_lease_owner, service.vm_lease_until, clock):
        return HOST_ACTS
    if service.id in held.running:
        return policy.RUNNING_REASONS[held.running[service.id]]
    if operation.kind == "backup" and service.id in held.first:
        return start_conditions.OTHERS_FIRST
    if operation.kind == "backup" and held.nodes[service.server_id, service.node] >= settings.per_node:
        return start_conditions.NODE_BUSY
    if operation.kind == "backup" and held.storages[service.server_id, operation.storage] >= settings.per_storage:
        return start_conditions.STORAGE_BUSY
    return Message("It starts with the next look at the queue.")
