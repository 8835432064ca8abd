"""Polls the running tasks of one node with one call, and slows down for those that nobody watches.

A task that Proxmox lists as active needs nothing but its next poll. One that is not listed may have ended, so its
operation is advanced, which asks for the task's status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError
from ..models import Operation, Server, now
from ..pve import tasks
from .queue import Place
from .start_conditions import NODE_BUSY
from .task_watch import pause_seconds

QUIET = (None, NODE_BUSY.to_json())
"""Reasons of a running operation that are no trouble."""


class Running(NamedTuple):
    """An operation whose task runs."""

    id: str
    service_id: str
    upid: str
    wake_at: datetime
    intent: dict[str, Any] | None
    reason: dict[str, Any] | None


WITH_TASK = (
    select(*(getattr(Operation, name) for name in Running._fields), Server)
    .join(Server, Server.id == Operation.server_id)
    .where(
        Operation.state.in_(("running", "stuck")), Operation.server_id == bindparam("server"),
        Operation.node == bindparam("on"), Operation.upid.is_not(None), Operation.lease_owner.is_(None),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Polled:
    """Operations to advance: `running` ones, whose task still runs, and `others`, whose task may have ended."""

    running: Sequence[str] = ()
    others: Sequence[str] = ()


def poll(context: Context, place: Place) -> Polled:
    """Poll the tasks of all operations that run on a node. Polling twice, or two at once, does no harm.

    1. Load the operations whose task runs and which no worker holds.
    2. Ask Proxmox once for the active tasks of the node. If it does not answer, advance the operations that are due:
       each handles the error.
    3. Set the next poll of those whose task is active, all in one write. Advanced are only those whose page somebody
       looks at, and those that show a trouble, which is over now.
    """
    with context.database.open() as session:
        running, server = _with_task(session, place)
    if server is None:
        return Polled()
    try:
        active = tasks.active(context.connect(server), place.node)
    except BackupsError:
        return Polled(others=[one.id for one in running if one.wake_at <= now()])
    seen = context.watched([one.service_id for one in running])
    alive = [one for one in running if one.upid in active]
    gone = [one for one in running if one.upid not in active]
    moving = [one for one in alive if one.service_id in seen or one.reason not in QUIET]
    _wake(context, [one for one in alive if one not in moving], moving, gone)
    return Polled([one.id for one in moving], [one.id for one in gone])


def _with_task(session: Session, place: Place) -> tuple[list[Running], Server | None]:
    """The operations with a running task on a node, and its server; None if there are none. One query."""
    found = session.execute(WITH_TASK, {"server": place.server_id, "on": place.node}).all()
    return [Running(*row[:-1]) for row in found], found[0][-1] if found else None


def _wake(context: Context, unwatched: list[Running], *now_due: list[Running]) -> None:
    """Set the next poll of unwatched operations to that of the one that is due first, and make the others due."""
    at = now()
    if unwatched:
        pause = min(pause_seconds(context.settings, one.intent, watched=False) for one in unwatched)
        _set_wake(context, unwatched, at + timedelta(seconds=pause))
    early = [one for due in now_due for one in due if one.wake_at > at]
    if early:
        _set_wake(context, early, at)


def _set_wake(context: Context, operations: Sequence[Running], at: object) -> None:
    with context.database.begin() as session:
        # Whoever has leased one meanwhile sets its time itself.
        session.execute(
            update(Operation)
            .where(Operation.id.in_([one.id for one in operations]), Operation.lease_owner.is_(None))
            .values(wake_at=at, enqueued_at=None)
            .execution_options(synchronize_session=False)
        )


def note_watched(context: Context, service_id: str) -> None:
    """Note that somebody looks at a service's page. If nobody did before, its running task is polled at once."""
    if not context.note_watched(service_id):
        return
    with context.database.open() as session:
        running = session.scalars(
            select(Operation).where(Operation.lock == service_id, Operation.upid.is_not(None))
        ).first()
    if running is not None:
        context.enqueue_polls([Place(running.server_id, running.node)])
