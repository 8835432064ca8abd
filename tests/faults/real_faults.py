"""Faults of a run with real processes: Proxmox, Redis and a locked database."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy import create_engine

from .real_run import Run


def _request(run: Run) -> None:
    path = run.rng.choice(("*/vzdump", "*/qemu", "*/content/*", "*/status", "*"))
    kind, more = run.rng.choice((
        ("refuse", {"status": 500}), ("refuse", {"status": 596}),
        ("drop", {"when": "after"}), ("drop", {"when": "before"}),
        ("gateway-timeout", {}), ("garbage", {}), ("delay", {"seconds": 0.5}),
    ))  # fmt: skip
    run.control(kind, path=path, **more)


def _held(run: Run) -> None:
    run.control("hold", path=run.rng.choice(("*/vzdump", "*/content/*", "*/qemu")), times=1, label="held")
    run.later(1.0, lambda: run.control("release", label="held"))


def _task(run: Run) -> None:
    kind = run.rng.choice(("task-fails", "task-warnings", "task-unexpected"))
    run.control(kind, type=run.rng.choice(("vzdump", "imgdel", "qmrestore")))


def _storage(run: Run) -> None:
    # Not one that is empty: what comes back with it is removed again only an hour later.
    kind = run.rng.choice(("storage-offline", "storage-full"))
    run.control(kind, storage="nfs")
    run.later(1.5, lambda: run.control("undo", of=kind))


def _redis(run: Run) -> None:
    kind = run.rng.choice(("emptied", "paused", "read-only", "forged", "full"))
    run.count(f"redis {kind}")
    with suppress(RedisError):
        if kind == "emptied":
            run.redis.flushall()
        elif kind == "paused":
            run.redis.execute_command("CLIENT", "PAUSE", 1500)
        elif kind == "full":
            run.redis.config_set("maxmemory", "1")
            run.later(1.0, lambda: run.redis.config_set("maxmemory", "0"))
        elif kind == "read-only":
            run.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
            run.later(1.0, lambda: run.redis.execute_command("REPLICAOF", "NO", "ONE"))
        else:
            queue = Queue(run.world.context.settings.queue, connection=run.redis)
            for name, arguments in (("os.system", ("false",)), ("puq_backups.jobs.advance", (["1"],))):
                queue.enqueue(name, *arguments)


def _database(run: Run) -> None:
    """Another process writes for a second."""
    run.count("database locked")
    engine = create_engine(run.world.context.database.engine.url)

    def lock() -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            time.sleep(1)
            connection.rollback()
        engine.dispose()

    run.later(0, lock)


FAULTS: tuple[Callable[[Run], None], ...] = (
    _request,
    _request,
    _held,
    _task,
    _task,
    _storage,
    _redis,
    _redis,
    _database,
)
