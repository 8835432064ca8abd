"""The RQ worker. Redis is not trusted: a job may only name one of our functions."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.worker import WorkerStatus

from ..clock.outage import Outage
from .pulse import WORKER_TTL, Pulse

log = logging.getLogger("puq_backups.worker")


class JobRefused(Exception):
    """The job does not name one of our functions with arguments of the types it takes."""


class JobWorker(SimpleWorker):
    """Runs the functions of `accepts` in its own process, and nothing else that a job may ask for.

    `accepts`: dotted name of a function -> (function, types of its positional arguments). `limit`: seconds that one
    job may take; `longer`: other limits by the name of the function. Callbacks, dependencies, retries, repeats,
    result and time limits of a job are ignored, and so are commands over pub/sub: RQ's bookkeeping at the end of a
    job, which fails where Redis was emptied meanwhile, is not used. `refused` counts the jobs that were refused.
    `pulse` beats with each round of the loop, and between jobs.
    """

    def __init__(
        self, queue: Queue, accepts: Mapping[str, tuple[Callable[..., object], tuple[type, ...]]], limit: int,
        pulse: Pulse | None = None, longer: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            [queue], connection=queue.connection, serializer=JSONSerializer, worker_ttl=WORKER_TTL,
        )  # fmt: skip
        self.pulse, self.longer = pulse or Pulse(), longer or {}
        self.accepts, self.limit, self.refused, self.told_to_stop = accepts, limit, 0, False

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job's function. Whatever goes wrong is logged and does not end the worker."""
        # Before anything else: a SIGTERM while busy waits for the end of the job.
        self._state = WorkerStatus.BUSY
        self.pulse.beat()
        try:
            function, arguments, limit = self._read(job)
            with self.death_penalty_class(limit, JobTimeoutException, job_id=job.id):
                function(*arguments)
        except JobRefused as reason:
            self.refused += 1
            log.error("job %.80r refused (%d so far): %s", job.id, self.refused, reason)  # noqa: TRY400 - not a fault of ours
        except Exception:
            log.exception("job %s failed; the clock rings again for what should have moved", job.id)
        finally:
            self._forget(job, queue)
            self._state = WorkerStatus.IDLE

    def heartbeat(self, *args: Any, **options: Any) -> None:
        """RQ calls this at each round of its loop, whether there was a job or not."""
        self.pulse.beat()
        super().heartbeat(*args, **options)

    def _read(self, job: Job) -> tuple[Callable[..., object], list[Any], int]:
        try:
            name, instance, arguments, options = json.loads(job.data)
            function, types = self.accepts[name]
        except Exception as error:
            raise JobRefused(f"its function cannot be read or is none of ours ({type(error).__name__})") from error
        if instance is not None or options:
            raise JobRefused("it names an object or keyword arguments")
        if not isinstance(arguments, list | tuple) or [type(argument) for argument in arguments] != list(types):
            raise JobRefused("its arguments are not those that the function takes")
        return function, list(arguments), self.longer.get(name, self.limit)

    @staticmethod
    def _forget(job: Job, queue: Queue) -> None:
        try:
            queue.connection.lrem(queue.intermediate_queue_key, 1, job.id)
            queue.connection.delete(job.key)
        except RedisError as error:
            log.warning("job %s is done but stays in Redis: %s", job.id, error)

    def request_stop(self, signum: Any, frame: Any) -> None:
        """Stop after the job that runs."""
        self.told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # as RQ has it

    def subscribe(self) -> None:
        """Take no commands over Redis."""

    def unsubscribe(self) -> None:
        """See `subscribe`."""


def serve(make: Callable[[], JobWorker], stop: threading.Event, pulse: Pulse) -> None:
    """Serve the queue until SIGTERM or SIGINT.

    RQ's loop ends on many errors (Redis away, read-only, refusing the password, a job that cannot be read): each time
    it begins again after a growing pause, and says so in one line.
    """
    outage = Outage("the worker's loop")
    while not stop.is_set():
        pulse.beat()
        worker = None
        try:
            worker = make()
            if worker.work(logging_level="WARNING"):
                outage.over()
            failure: Exception = RuntimeError("it ended")
        except Exception as error:  # noqa: BLE001 - whatever Redis and RQ raise, the worker goes on
            failure = error
        if worker is not None and worker.told_to_stop:
            return
        # RQ's loop puts handlers of its own in place, which raise where no loop runs any more.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        stop.wait(outage.failed(failure))
