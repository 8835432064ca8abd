"""Figures of the database: the tick, claiming due slots, the end of a backup while others wait."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select, update

from puq_backups.clock import slots, tick
from puq_backups.context import Context
from puq_backups.models import Operation, Service, now
from puq_backups.operations import dispatch

from . import counting, fill
from .report import Figure

FEW = 1000
DUE = 1000
ROUNDS = 5


def figures(context: Context, services: int, kind: str) -> list[Figure]:
    """Measure with FEW services and no past, then with `services` and three ended operations each."""
    fill.server(context)
    fill.provider(context, range(FEW), ended=0, backups=0)
    few = _tick(context)
    fill.provider(context, range(FEW, services), ended=3)
    fresh_statistics(context)
    many = _tick(context)
    return [
        Figure(f"{kind}: tick, nothing due, {services:,} services: CPU", many[0], "≤ 1.3 times", few[0], " ms"),
        Figure(f"{kind}: the same, elapsed", many[1], "≤ 1.3 times", few[1], " ms"),
        Figure(f"{kind}: the same, queries", many[2], "the same", few[2]),
        *_claim(context, kind),
        *_end(context, kind),
    ]


def fresh_statistics(context: Context) -> None:
    """Bring the planner's statistics up to date, as the databases do by themselves some time after a change."""
    engine = context.database.engine
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "mysql":
            for model in (Service, Operation):
                connection.exec_driver_sql(f"ANALYZE TABLE {model.__tablename__}")
        else:
            connection.exec_driver_sql("ANALYZE")


def _tick(context: Context) -> tuple[float, float, int]:
    """Median CPU and elapsed time of a tick in ms, and its queries."""
    tick.tick(context)
    found = [_cost(context, lambda: tick.tick(context)) for _ in range(ROUNDS)]
    cpu, elapsed = (statistics.median(part) * 1000 for part in list(zip(*found, strict=True))[:2])
    return cpu, elapsed, found[-1][2]


def _cost(context: Context, work: Callable[[], object]) -> tuple[float, float, int]:
    began = time.perf_counter()
    with counting.counted(context.database.engine) as cost:
        work()
    return cost.seconds, time.perf_counter() - began, cost.queries


def _claim(context: Context, kind: str) -> list[Figure]:
    due = now() - timedelta(minutes=1)
    with context.database.begin() as session:
        ids = session.scalars(select(Service.id).limit(DUE)).all()
        session.execute(
            update(Service).where(Service.id.in_(ids)).values(
                next_run_at=due, next_run_date=due.date().isoformat(), slots_from=due - timedelta(hours=1),
                schedule=fill.schedule(f"{due:%H:%M}"),
            )
        )  # fmt: skip
    cpu, _, queries = _cost(context, lambda: slots.claim_due(context))
    return [
        Figure(f"{kind}: {DUE:,} slots due at once: CPU of each", 1000 * cpu / DUE, "≤ 3 ms", unit=" ms"),
        Figure(f"{kind}: the same, queries of each", queries / DUE, "≤ 3"),
    ]


def _end(context: Context, kind: str) -> list[Figure]:
    """The end of one backup on a node while all that was claimed waits."""
    dispatch.start_waiting(context)
    with context.database.begin() as session:
        running = session.scalars(select(Operation.id).where(Operation.state == "running")).all()
        ended = {"state": "done", "lock": None, "finished_at": now()}
        session.execute(update(Operation).where(Operation.id == running[0]).values(**ended))
    _, _, queries = _cost(context, lambda: dispatch.start_waiting(context, running[0]))
    return [Figure(f"{kind}: a backup ends while {DUE - len(running):,} wait: queries", queries, "≤ 20")]
