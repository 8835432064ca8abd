"""Clock and worker of the product on virtual time, one after the other in this process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from faults.outages import Jobs
from faults.virtual_time import Time
from sqlalchemy import select
from support import world as worlds

from puq_backups import jobs as product
from puq_backups.clock import tick
from puq_backups.context import Context
from puq_backups.models import Operation
from puq_backups.operations import queue

TICK = 60.0
"""Seconds between two ticks."""
SHORTEST = 1.0
"""Seconds that pass at least between two rounds of the worker, as with its own timer."""


def moment(clock: Time) -> datetime:
    """The virtual time."""
    return datetime.fromtimestamp(clock.now(), UTC)


def live(world: worlds.World, clock: Time, queued: Jobs, until: float, every: float = TICK) -> None:
    """Let a tick each `every` seconds and a worker run until a virtual time."""
    next_tick = clock.now()
    while clock.now() < until:
        if clock.now() >= next_tick:
            tick.tick(world.context)
            next_tick += every
        work(world, queued)
        wake = _next_wake(world.context)
        end = min(until, next_tick, wake.timestamp() if wake else until)
        clock.advance(max(end - clock.now(), SHORTEST))


def work(world: worlds.World, queued: Jobs) -> None:
    """What a worker does: enqueue what is due, and run all jobs."""
    queue.enqueue_due(world.context)
    with world.app.app_context():
        while found := queued.taken():
            for name, arguments in found:
                getattr(product, name)(*arguments)


def _next_wake(context: Context) -> datetime | None:
    """When a running operation is due next."""
    with context.database.open() as session:
        return session.scalar(
            select(Operation.wake_at).where(Operation.state.in_(("running", "stuck")))
            .order_by(Operation.wake_at).limit(1)
        )  # fmt: skip


def next_midnight(clock: Time) -> float:
    """The next midnight in UTC, in seconds since the epoch."""
    return (moment(clock).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)).timestamp()
