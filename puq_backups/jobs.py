"""The jobs: thin calls by row id. The database is the truth, Redis only a doorbell."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import select

from .clock import periodic, tick
from .config import Settings
from .context import Context
from .mail import delivery
from .models import Operation, leases, now
from .operations import engine
from .operations import queue as operation_queue
from .worker import JobWorker, serve

log = logging.getLogger("puq_backups.jobs")
LONGEST_SLEEP = 5.0
BEAT_EVERY = 30.0


def queue(settings: Settings) -> Queue:
    """The queue our jobs go through."""
    connection = Redis.from_url(settings.redis_url, socket_connect_timeout=5, health_check_interval=30)
    return Queue(settings.queue, connection=connection, serializer=JSONSerializer)


def bell(settings: Settings) -> Callable[[Iterable[str]], None]:
    """A function that rings for operations. A Redis that is away is logged: the tick rings again."""
    ours = queue(settings)
    limit = job_limit(settings)

    def ring(operation_ids: Iterable[str]) -> None:
        try:
            for operation_id in operation_ids:
                ours.enqueue(advance, operation_id, result_ttl=0, failure_ttl=0, job_timeout=limit)
        except RedisError as error:
            log.warning("Redis cannot be reached (%s): the next tick rings again", type(error).__name__)

    return ring


def advance(operation_id: str) -> None:
    """Move an operation on as far as it goes now."""
    context: Context = current_app.extensions["puq_backups"].context
    while engine.advance(context, operation_id):
        pass
    with context.database.open() as session:
        ended = session.scalar(select(Operation.finished_at).where(Operation.id == operation_id))
    if ended:
        tick.start_waiting(context)
        delivery.send_due(context)


def work(context: Context, *, burst: bool) -> None:
    """Serve the queue until told to stop; with `burst` until no operation runs or is due.

    The steps of an operation are short and bounded by time limits, so they run in the worker's own process:
    one that is killed leaves nothing behind that still acts.
    """
    ours = queue(context.settings)
    if burst:
        _burst(context, ours)
        return
    stop = threading.Event()
    ringer = threading.Thread(target=_ring_on, args=(context, stop), daemon=True)
    ringer.start()
    try:
        serve(lambda: _worker(context, ours), stop)
    finally:
        stop.set()
        ringer.join(timeout=LONGEST_SLEEP)


def _worker(context: Context, ours: Queue) -> JobWorker:
    return JobWorker(ours, {f"{__name__}.{advance.__name__}": (advance, (str,))}, job_limit(context.settings))


def job_limit(settings: Settings) -> int:
    """The seconds that one job may take: a step is over or given up long before."""
    return int(2 * leases.duration_seconds(settings))


def _ring_on(context: Context, stop: threading.Event) -> None:
    """Ring for operations whose time has come, each second, and leave a sign of life now and then."""
    beaten = float("-inf")
    while not stop.wait(1.0):
        try:
            operation_queue.enqueue_due(context)
            if time.monotonic() - beaten > BEAT_EVERY:
                periodic.record_heartbeat(context, "worker")
                beaten = time.monotonic()
        except Exception:
            log.exception("could not look for due operations")


def _burst(context: Context, ours: Queue) -> None:
    while True:
        periodic.record_heartbeat(context, "worker")
        tick.start_waiting(context)
        operation_queue.enqueue_due(context)
        _worker(context, ours).work(burst=True, logging_level="WARNING")
        wake = _next(context)
        if wake is None:
            break
        time.sleep(min(max((wake - now()) / timedelta(seconds=1), 0.05), LONGEST_SLEEP))
    delivery.send_due(context)


def _next(context: Context) -> datetime | None:
    """When a running operation is next due, or now where one waits for its turn; None when all is quiet."""
    with context.database.open() as session:
        return operation_queue.next_wake(session)
