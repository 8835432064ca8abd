"""RQ jobs and the worker. A job holds ids only: the state is in the database, a lost job is harmless."""

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
from sqlalchemy import bindparam, select

from ..clock import chores, periodic
from ..clock.outage import Outage
from ..config import Settings
from ..context import Context
from ..mail import delivery
from ..models import Operation, leases, now
from ..operations import dispatch, engine, node_watch
from ..operations import queue as operation_queue
from .pulse import Pulse
from .worker import JobWorker, serve

log = logging.getLogger("puq_backups.jobs")
LONGEST_SLEEP = 5.0
BEAT_EVERY = 30.0
STATE = select(Operation.state).where(Operation.id == bindparam("operation"))
SYNC_ASKED = timedelta(minutes=5)
PULSE = Pulse()
"""Of the one worker of this process."""


def queue(settings: Settings) -> Queue:
    """Return the RQ queue of the settings, with a connection of its own."""
    connection = Redis.from_url(settings.redis_url, socket_connect_timeout=5, health_check_interval=30)
    return Queue(settings.queue, connection=connection, serializer=JSONSerializer)


class Enqueuer:
    """Puts jobs into the queue. The tick enqueues again what Redis did not take.

    While Redis is away it is not asked each time: pauses grow, and each attempt that fails is one line of the log.
    """

    def __init__(self, settings: Settings) -> None:
        self._queue = queue(settings)
        self._limit = job_limit(settings)
        self._sync_asked = max(1, int(min(SYNC_ASKED, settings.sync_interval).total_seconds()))
        self._outage, self._again_at = Outage("the queue"), 0.0

    def enqueue(self, operation_ids: Iterable[str]) -> None:
        """Enqueue a job that advances it for each operation id."""
        self._enqueue(advance, ((operation_id,) for operation_id in operation_ids))

    def enqueue_polls(self, places: Iterable[tuple[str, str]]) -> None:
        """Enqueue a job that polls the running tasks of a node for each (server id, node), before all that waits.

        A poll is short and has its time; operations that begin together would keep it waiting for minutes.
        """
        self._enqueue(poll, places, first=True)

    def enqueue_syncs(self, server_ids: Iterable[str]) -> None:
        """Enqueue a job for each server that compares its backups with its storages, once in SYNC_ASKED.

        Each tick asks until the sync is done: without a worker, or while one is at it, jobs would pile up.
        """
        self._enqueue(sync, ((server_id,) for server_id in server_ids if self._is_first(server_id)))

    def _is_first(self, server_id: str) -> bool:
        name = f"{self._queue.name}:sync:{server_id}"
        return bool(self._queue.connection.set(name, 1, nx=True, ex=self._sync_asked))

    def _enqueue(
        self, function: Callable[..., None], calls: Iterable[tuple[str, ...]], *, first: bool = False
    ) -> None:
        if time.monotonic() < self._again_at:
            return
        try:
            for arguments in calls:
                self._queue.enqueue(
                    function, *arguments, result_ttl=0, failure_ttl=0, job_timeout=self._limit, at_front=first
                )
        except RedisError as error:
            self._again_at = time.monotonic() + self._outage.failed(error)
        else:
            self._outage.over()


def advance(operation_id: str) -> None:
    """The RQ job: run an operation's steps until it ends or waits; at its end start waiting ones and send mail."""
    context: Context = current_app.extensions["puq_backups"].context
    engine.run(context, operation_id)
    with context.database.open() as session:
        state = session.connection().execute(STATE, {"operation": operation_id}).scalar()
    # A failed attempt that is repeated later leaves its place to others too.
    if state not in {"running", "stuck"}:
        dispatch.start_waiting(context, operation_id)
        delivery.send_due(context)


def poll(server_id: str, node: str) -> None:
    """The RQ job: poll the running tasks of a node, and advance the operations for which that is not enough."""
    context: Context = current_app.extensions["puq_backups"].context
    context.polls.begun(server_id, node)
    polled = node_watch.poll(context, operation_queue.Place(server_id, node))
    for operation_id in polled.running:
        engine.advance(context, operation_id, task_runs=True)
    for operation_id in polled.others:
        advance(operation_id)


def sync(server_id: str) -> None:
    """The RQ job: compare the backups on a server with its storages, if that is due and no other worker does it."""
    context: Context = current_app.extensions["puq_backups"].context
    periodic.sync_server(context, server_id, PULSE.beat)


def run_worker(context: Context, *, burst: bool) -> None:
    """Serve the queue until a signal; with `burst` until no operation runs or is due.

    Jobs run in the worker's own process, not in a fork: steps are short, and a killed worker leaves no process behind
    that still acts on Proxmox.
    """
    rq_queue = queue(context.settings)
    if burst:
        _work_until_idle(context, rq_queue)
        return
    stop = threading.Event()
    timer = threading.Thread(target=_enqueue_due_forever, args=(context, stop, PULSE), daemon=True)
    timer.start()
    try:
        serve(lambda: _worker(context, rq_queue, PULSE), stop, PULSE)
    finally:
        stop.set()
        timer.join(timeout=LONGEST_SLEEP)


def _worker(context: Context, rq_queue: Queue, pulse: Pulse | None = None) -> JobWorker:
    accepts: dict[str, tuple[Callable[..., object], tuple[type, ...]]] = {
        f"{__name__}.{advance.__name__}": (advance, (str,)),
        f"{__name__}.{poll.__name__}": (poll, (str, str)),
        f"{__name__}.{sync.__name__}": (sync, (str,)),
    }
    longer = {f"{__name__}.{sync.__name__}": int(chores.LEASE.total_seconds())}
    return JobWorker(rq_queue, accepts, job_limit(context.settings), pulse, longer)


def job_limit(settings: Settings) -> int:
    """Return the time limit of one RQ job in seconds: longer than any step takes or is allowed to."""
    return int(2 * leases.duration_seconds(settings))


def _enqueue_due_forever(context: Context, stop: threading.Event, pulse: Pulse) -> None:
    """Enqueue due operations every second and store a heartbeat every BEAT_EVERY seconds, until `stop` is set.

    No heartbeat is stored while the main loop, which performs the jobs, stands still.
    """
    beaten, pause, outage = float("-inf"), 1.0, Outage("the worker", context.database.engine)
    while not stop.wait(pause):
        try:
            operation_queue.enqueue_due(context)
            if time.monotonic() - beaten > BEAT_EVERY and pulse.is_recent():
                chores.record_heartbeat(context, "worker")
                beaten = time.monotonic()
        except Exception as error:  # noqa: BLE001 - the database may be away, or not be there yet
            pause = outage.failed(error)
        else:
            outage.over()
            pause = 1.0


def _work_until_idle(context: Context, rq_queue: Queue) -> None:
    while True:
        chores.record_heartbeat(context, "worker")
        dispatch.start_waiting(context)
        operation_queue.enqueue_due(context)
        _worker(context, rq_queue).work(burst=True, logging_level="WARNING")
        wake = _next_wake(context)
        if wake is None:
            break
        time.sleep(min(max((wake - now()) / timedelta(seconds=1), 0.05), LONGEST_SLEEP))
    delivery.send_due(context)


def _next_wake(context: Context) -> datetime | None:
    """Return when a running operation is due next, now if one waits to start, or None if there is none."""
    with context.database.open() as session:
        return operation_queue.next_wake(session)
