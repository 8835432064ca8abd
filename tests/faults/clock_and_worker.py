"""The processes of a run: clock and worker, which may be killed, and the time that passes between their turns."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from puq_backups import jobs
from puq_backups.clock import tick
from puq_backups.operations import engine, queue

from .boundaries import Killed

if TYPE_CHECKING:
    from .run import Run

log = logging.getLogger("puq_backups.faults")
QUIET = 6 * 3600.0
"""Seconds between two ticks at most, while nothing is due."""
BUSY = 20.0
"""Seconds between two rounds of clock and worker after something has moved; they double while nothing does."""
LIVE = """
    SELECT id, state, step, attempts FROM puq_backups_operation WHERE state IN ('waiting', 'running', 'stuck')
    ORDER BY id
"""
DUE = """
    SELECT MIN(at) AS at FROM (
        SELECT MIN(next_run_at) AS at FROM puq_backups_service
        UNION ALL SELECT MIN(wake_at) FROM puq_backups_operation WHERE state IN ('waiting', 'running', 'stuck')
        UNION ALL SELECT MIN(binned_until) FROM puq_backups_backup WHERE removed_at IS NULL
    )
"""


def live(run: Run, seconds: float) -> None:
    """Let clock and worker run for so long: in short turns while something moves, else until something is due."""
    end, turn, before = run.clock.now() + seconds, BUSY, None
    while run.clock.now() < end:
        survive(run, clock)
        survive(run, worker)
        _do_pending(run)
        seen = run.sql(LIVE)
        turn = BUSY if seen != before else min(turn * 2, 3600.0)
        before = seen
        pending = min((at for at, _ in run.pending), default=end)
        run.clock.advance(min(turn if seen else _until_due(run), min(end, pending) - run.clock.now()))


def survive(run: Run, process: Callable[[Run], None]) -> None:
    """Run a process that may be killed."""
    with suppress(Killed):
        process(run)


def clock(run: Run) -> None:
    """One tick. The clock goes on after an error of the database."""
    run.record.ticks += 1
    try:
        tick.tick(run.world.context)
    except SQLAlchemyError as error:
        if not run.record.faulty and "database is locked" not in str(error):
            raise


def worker(run: Run) -> None:
    """What the worker does: it enqueues what is due, and runs the jobs of the queue."""
    with suppress(SQLAlchemyError):
        queue.enqueue_due(run.world.context)
    with run.world.app.app_context():
        for name, arguments in run.jobs.taken():
            try:
                getattr(jobs, name)(*arguments)
            except Exception as error:
                if not run.record.faulty and "database is locked" not in str(error):
                    log.exception("job %s%s failed", name, arguments)


def step(run: Run) -> None:
    """One step of each operation that runs, and no more."""
    for row in run.sql("SELECT id FROM puq_backups_operation WHERE state IN ('running', 'stuck') ORDER BY id"):
        with suppress(Killed):
            engine.advance(run.world.context, row["id"])


def _until_due(run: Run) -> float:
    """Seconds until something is due for which nobody has to be rung."""
    found = run.sql(DUE)[0]["at"]
    if found is None:
        return QUIET
    at = datetime.fromisoformat(str(found)).replace(tzinfo=UTC).timestamp() - run.clock.offset
    return min(max(at - run.clock.now() + 1, BUSY), QUIET)


def _do_pending(run: Run) -> None:
    at = run.clock.now()
    for one in [one for one in run.pending if one[0] <= at]:
        run.pending.remove(one)
        one[1]()
