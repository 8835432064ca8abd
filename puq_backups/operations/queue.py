"""The queue of waiting and due operations: restores and removals first, then backups round robin over clients.

Each node has a queue of its own. A client's turn comes after those of the clients that were served on the node longer
ago. The queue is computed by one function, for starting operations and for showing positions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from ..config import Settings
from ..context import Context
from ..models import Operation, Service, at_present, now

ENQUEUE_AGAIN_AFTER = timedelta(seconds=30)
BATCH = 1000
SERVED_WITHIN = timedelta(hours=36)
"""How long it is remembered that a client was served on a node: longer than a night's backups take."""
RUNS = Operation.state.in_(("running", "stuck"))
MAY_START = (Operation.state == "waiting") & (Operation.wake_at <= at_present())
# Not grouped by the database: SQLite would read a whole index for its order.
RUNNING_BACKUPS = select(Operation.server_id, Operation.node, Operation.storage).where(
    RUNS, Operation.kind == "backup"
)
PLACES_WAITING = (
    select(Operation.server_id, Operation.node, func.max(case((Operation.kind == "backup", 0), else_=1)))
    .where(MAY_START)
    .group_by(Operation.server_id, Operation.node)
)
DUE = (
    select(
        Operation.id, Operation.server_id, Operation.node,
        Operation.upid.is_not(None) & Operation.lease_owner.is_(None),
    )
    .where(
        RUNS, Operation.wake_at <= at_present(),
        or_(Operation.enqueued_at.is_(None), Operation.enqueued_at <= at_present(-ENQUEUE_AGAIN_AFTER)),
    )
    .order_by(Operation.wake_at)
    .limit(BATCH)
)  # fmt: skip
NEXT_WAKE = select(Operation.wake_at).where(or_(RUNS, MAY_START)).order_by(Operation.wake_at).limit(1)
NEVER = datetime.min.replace(tzinfo=UTC)


class Place(NamedTuple):
    """A node of a server."""

    server_id: str
    node: str


class Waiting(NamedTuple):
    """A waiting operation that is not paused. `blocked`: another operation of its service runs."""

    id: str
    place: Place
    client_id: str
    kind: str
    storage: str
    due_at: datetime
    blocked: bool


class Due(NamedTuple):
    """A running operation that is due. `polled`: its task runs, so that its node is polled."""

    id: str
    place: Place
    polled: bool


@dataclass(frozen=True)
class Running:
    """The number of running backups by node, and by (server id, storage)."""

    nodes: Counter[Place] = field(default_factory=Counter)
    storages: Counter[tuple[str, str]] = field(default_factory=Counter)


def running_backups(session: Session, place: Place | None = None) -> Running:
    """Count the running backups, or those of one node. One query over the rows that run."""
    rows = RUNNING_BACKUPS
    if place:
        rows = rows.where(Operation.server_id == place.server_id, Operation.node == place.node)
    found = Running()
    for server_id, node, storage in session.connection().execute(rows):
        found.nodes[Place(server_id, node)] += 1
        found.storages[server_id, storage] += 1
    return found


def is_full(settings: Settings, running: Running, server_id: str, storage: str) -> bool:
    """Whether as many backups run to a storage as `PUQ_BACKUPS_PER_STORAGE` allows."""
    return settings.per_storage is not None and running.storages[server_id, storage] >= settings.per_storage


def places_waiting(session: Session) -> dict[Place, bool]:
    """The nodes with operations ready to start, and whether restores, removals or reinstalls are among them."""
    rows = session.connection().execute(PLACES_WAITING)
    return {Place(server_id, node): bool(other) for server_id, node, other in rows}


def in_order(session: Session, places: Collection[Place]) -> dict[Place, list[Waiting]]:
    """The queues of nodes, each in the order in which its operations start. Two queries for any number of nodes."""
    other = aliased(Operation)
    blocked = exists().where(other.lock == Operation.service_id)
    rows = (
        select(Operation.id, Operation.server_id, Operation.node, Operation.client_id, Operation.kind,
               Operation.storage, Operation.due_at, blocked)
        .where(MAY_START, _at(places))
        .order_by(Operation.due_at, Operation.created_at, Operation.id)
    )  # fmt: skip
    queues: dict[Place, list[Waiting]] = {}
    for key, server_id, node, client_id, kind, storage, due_at, is_blocked in session.execute(rows):
        place = Place(server_id, node)
        found = Waiting(key, place, client_id, kind, storage, due_at, bool(is_blocked))
        queues.setdefault(place, []).append(found)
    served = _last_served(session, queues)
    return {place: round_robin(queue, served) for place, queue in queues.items()}


def _at(places: Collection[Place]) -> ColumnElement[bool]:
    """A condition for each server, not for each node: a compiled statement is kept for each number of conditions."""
    nodes: dict[str, list[str]] = {}
    for place in places:
        nodes.setdefault(place.server_id, []).append(place.node)
    return or_(
        false(), *(and_(Operation.server_id == server_id, Operation.node.in_(on)) for server_id, on in nodes.items())
    )


def _last_served(session: Session, places: Collection[Place]) -> dict[tuple[Place, str], datetime]:
    """When a backup of each client was last started on each node, within SERVED_WITHIN."""
    if not places:
        return {}
    rows = (
        select(Operation.server_id, Operation.node, Operation.client_id, func.max(Operation.started_at))
        .where(_at(places), Operation.started_at >= now() - SERVED_WITHIN, Operation.kind == "backup")
        .group_by(Operation.server_id, Operation.node, Operation.client_id)
    )
    found = session.execute(rows)
    return {(Place(server_id, node), client_id): at for server_id, node, client_id, at in found if at}


def round_robin(waiting: Iterable[Waiting], served: dict[tuple[Place, str], datetime]) -> list[Waiting]:
    """Order a node's operations, given by due time: restores, removals, reinstalls first, then backups by turns.

    Each client's first backup comes before any client's second. Within a turn the client that was `served` longest
    ago comes first, one that was not served before all others, and then by due time.
    """
    turns: Counter[str] = Counter()
    first_due: dict[str, int] = {}
    ranked: list[tuple[int, datetime, int, Waiting]] = []
    for number, one in enumerate(waiting):
        if one.kind != "backup":
            ranked.append((-1, NEVER, number, one))
            continue
        at = served.get((one.place, one.client_id), NEVER)
        ranked.append((turns[one.client_id], at, first_due.setdefault(one.client_id, number), one))
        turns[one.client_id] += 1
    return [one for *_, one in sorted(ranked, key=lambda rank: rank[:3])]


def position(session: Session, operation: Operation, service: Service) -> int | None:
    """The position of a waiting operation in its node's queue, from 1. None if it is not waiting or paused."""
    if operation.state != "waiting":
        return None
    return positions(session, {(service.server_id, service.node)}).get(operation.id)


def positions(session: Session, nodes: set[tuple[str, str]]) -> dict[str, int]:
    """Queue positions by operation id, from 1, for all nodes given as (server id, node). Two queries."""
    queues = in_order(session, [Place(*node) for node in nodes])
    return {one.id: place for queue in queues.values() for place, one in enumerate(queue, 1)}


def due(session: Session) -> list[Due]:
    """Running operations whose `wake_at` has come and that were not enqueued in the last 30 seconds."""
    rows = session.connection().execute(DUE)
    return [Due(key, Place(server_id, node), bool(polled)) for key, server_id, node, polled in rows]


def enqueue_due(context: Context) -> int:
    """Enqueue a job for each due operation, and one for each node with tasks to poll. Returns the number of jobs.

    A poll that is pending is not enqueued again; that is kept in Redis, because it concerns each running task every
    few seconds.
    """
    with context.database.open() as session:
        found = due(session)
    moving = [one.id for one in found if not one.polled]
    if moving:
        with context.database.begin() as session:
            session.execute(
                update(Operation)
                # A worker that has one may have set its next poll meanwhile: that is to be enqueued in its time.
                .where(Operation.id.in_(moving), Operation.wake_at <= at_present())
                .values(enqueued_at=now())
                .execution_options(synchronize_session=False)
            )
        context.enqueue(moving)
    places = [place for place in sorted({one.place for one in found if one.polled}) if context.polls.note(*place)]
    context.enqueue_polls(places)
    return len(moving) + len(places)


def next_wake(session: Session) -> datetime | None:
    """The earliest `wake_at` of running operations and of waiting ones that may start. None if there are none."""
    return session.connection().execute(NEXT_WAKE).scalar()
