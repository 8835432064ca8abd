"""The queue of waiting and due operations: restores and removals first, then backups round robin over clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, false, or_, select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..models import Operation, Service, now

ENQUEUE_AGAIN_AFTER = timedelta(seconds=30)
BATCH = 1000


def waiting_in_order(session: Session, server_id: str, node: str | None = None) -> list[Operation]:
    """Waiting operations of a server, or of one of its nodes, that are not paused, in the order of their start."""
    waiting = (
        select(Operation)
        .join(Service, Service.id == Operation.service_id)
        .where(Operation.state == "waiting", Operation.wake_at <= now(), Service.server_id == server_id)
        .order_by(Operation.due_at, Operation.created_at, Operation.id)
        .limit(BATCH)
    )
    if node is not None:
        waiting = waiting.where(Service.node == node)
    return round_robin(session.scalars(waiting).all())


def round_robin(waiting: Sequence[Operation]) -> list[Operation]:
    """Order restores, removals, reinstalls first, then each client's first backup, then the second ones and so on."""
    turns: Counter[str] = Counter()
    ranked: list[tuple[int, datetime, int, Operation]] = []
    for operation in waiting:
        backup = operation.kind == "backup"
        ranked.append((turns[operation.client_id] if backup else -1, operation.due_at, len(ranked), operation))
        turns[operation.client_id] += backup
    return [operation for *_, operation in sorted(ranked, key=lambda rank: rank[:3])]


def position(session: Session, operation: Operation, service: Service) -> int | None:
    """The position of a waiting operation in its node's queue, from 1. None if it is not waiting or paused."""
    if operation.state != "waiting":
        return None
    order = [waiting.id for waiting in waiting_in_order(session, service.server_id, service.node)]
    return order.index(operation.id) + 1 if operation.id in order else None


def positions(session: Session, nodes: set[tuple[str, str]]) -> dict[str, int]:
    """Queue positions by operation id, from 1, for all nodes given as (server id, node), in one query."""
    waiting = (
        select(Operation, Service.server_id, Service.node)
        .join(Service, Service.id == Operation.service_id)
        .where(Operation.state == "waiting", Operation.wake_at <= now())
        .where(or_(false(), *(and_(Service.server_id == server, Service.node == node) for server, node in nodes)))
        .order_by(Operation.due_at, Operation.created_at, Operation.id)
        .limit(BATCH)
    )
    queues: dict[tuple[str, str], list[Operation]] = {}
    for operation, server_id, node in session.execute(waiting):
        queues.setdefault((server_id, node), []).append(operation)
    return {operation.id: place for queue in queues.values() for place, operation in enumerate(round_robin(queue), 1)}


def servers_waiting(session: Session) -> list[str]:
    """Ids of the servers that have operations ready to start."""
    found = (
        select(Service.server_id)
        .join(Operation, Operation.service_id == Service.id)
        .where(Operation.state == "waiting", Operation.wake_at <= now())
        .distinct()
    )
    return list(session.scalars(found))


def due(session: Session) -> list[str]:
    """Ids of running operations whose `wake_at` has come and that were not enqueued in the last 30 seconds."""
    at = now()
    found = (
        select(Operation.id)
        .where(
            Operation.state.in_(("running", "stuck")),
            Operation.wake_at <= at,
            or_(Operation.enqueued_at.is_(None), Operation.enqueued_at <= at - ENQUEUE_AGAIN_AFTER),
        )
        .order_by(Operation.wake_at)
        .limit(BATCH)
    )
    return list(session.scalars(found))


def enqueue_due(context: Context, *, anyway: bool = False) -> int:
    """Enqueue a job for each due operation and return their number. `anyway`: also those enqueued a moment ago."""
    with context.database.begin() as session:
        if anyway:
            session.execute(update(Operation).where(Operation.enqueued_at.is_not(None)).values(enqueued_at=None))
        ids = due(session)
        if ids:
            session.execute(update(Operation).where(Operation.id.in_(ids)).values(enqueued_at=now()))
    context.enqueue(ids)
    return len(ids)


def next_wake(session: Session) -> datetime | None:
    """The earliest `wake_at` of running operations and of waiting ones that may start. None if there are none."""
    running = Operation.state.in_(("running", "stuck"))
    may_start = (Operation.state == "waiting") & (Operation.wake_at <= now())
    return session.scalar(
        select(Operation.wake_at).where(or_(running, may_start)).order_by(Operation.wake_at).limit(1)
    )
