"""Fault runs with real processes: web, two workers and two clocks, each ended by SIGKILL or SIGTERM at any instant.

Time is real here, so a day passes by moving the dates of what was made thirty days back.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from sqlalchemy import create_engine, text
from support import databases, services
from support import world as worlds
from support.waiting import wait_until

from puq_backups.clock import tick
from puq_backups.simulator import start
from puq_backups.simulator.faults.registry import BadControl

from .diary import Destruction, Diary
from .hatchery import SETTINGS, Processes

ROLES = ("web", "worker", "worker", "clock", "clock")
VMIDS = (100, 101)
GRACE = 10.0
"""Seconds for which an archive that is gone by now may still have been seen: what a loaded machine needs."""
CALM = 0.7
"""How often what a day's slots make is waited for before somebody asks for something."""
BACK = (
    "UPDATE puq_backups_operation SET slot_date = date(slot_date, '-30 days') WHERE slot_date IS NOT NULL",
    "UPDATE puq_backups_backup SET slot_date = date(slot_date, '-30 days') WHERE slot_date IS NOT NULL",
    "UPDATE puq_backups_backup SET local_date = date(local_date, '-30 days')",
    "UPDATE puq_backups_service SET slots_from = NULL",
)


class Run:
    """One run: its processes, its dice and its diary."""

    def __init__(self, seed: int, world: worlds.World, processes: Processes, redis: str) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - what is drawn repeats; what comes of it depends on the machine
        self.world, self.processes, self.redis = world, processes, Redis.from_url(redis)
        self.diary = Diary(grace=GRACE)
        self.kills = 0
        self._timers: list[threading.Timer] = []

    def call(self, name: str, service_id: str = "1", **form: Any) -> None:
        """Ask the web process as the service's client, or as the host."""
        host = name in {"CreateAccount", "ChangePackage"}
        params = (
            self.world.params(service_id, VMIDS[int(service_id) - 1], f"client{service_id}", **form) if host else form
        )
        answer = self.processes.call(
            name, {"serviceid": service_id, **params}, "" if host else f"client{service_id}"
        )  # fmt: skip
        self.diary.deeds[name, answer[:60]] += 1
        if "wrong on our side" in answer or answer.startswith("status"):
            self.diary.broken.append(f"0: {name} answered {answer}")

    def control(self, name: str, **arguments: Any) -> None:
        """Bring about a fault, and count it."""
        with suppress(BadControl):
            self.world.proxmox.control(name, **arguments)
            self.diary.faults[name] += 1

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Do something in so many real seconds."""
        timer = threading.Timer(seconds, work)
        timer.start()
        self._timers.append(timer)

    def some_backup(self, service_id: str) -> str:
        """A backup of a service, rather the newest or the oldest."""
        found = self.world.held(service_id)
        return self.dice.choice([found[0], found[-1], *found]).id if found else ""

    def join(self) -> None:
        """Wait for what was to be done later."""
        for timer in self._timers:
            timer.join()


def play(seed: int, folder: Path, *, rounds: int = 8) -> Run:
    """Play a run to its quiet end."""
    with _begun(seed, folder) as run:
        for number in range(rounds):
            if number % 2 == 0:
                _next_day(run)
                if run.dice.random() < CALM:
                    # Else nothing is there yet that could be restored, removed or rotated.
                    wait_until(lambda: _is_quiet(run), pause=0.2)
            if run.dice.random() < 0.7:
                run.dice.choice(FAULTS)(run)
            for _ in range(run.dice.choice((1, 2))):
                _ask(run)
            # Any instant of what runs now.
            time.sleep(run.dice.random() * 0.5)
            victim = run.dice.randrange(len(ROLES))
            run.processes.end(victim, run.dice.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            if ROLES[victim] == "web":
                run.processes.wait_for_web()
        _come_to_rest(run)
        return run


@contextmanager
def _begun(seed: int, folder: Path) -> Iterator[Run]:
    with ExitStack() as stack:
        proxmox = stack.enter_context(start())
        redis = stack.enter_context(services.valkey())
        database = databases.sqlite_file(folder)
        world = worlds.make(proxmox, database, redis, **SETTINGS)
        stack.callback(world.context.database.engine.dispose)
        processes = stack.enter_context(Processes(database, redis, ROLES))
        processes.wait_for_web()
        run = Run(seed, world, processes, redis)
        for service_id in ("1", "2"):
            run.diary.quotas[service_id] = [2, 3]
            run.call(
                "CreateAccount", service_id, backups=2, storage="nfs", rotation=run.dice.choice(("before", "after"))
            )
        yield run


def _next_day(run: Run) -> None:
    """Let a day pass for what was made, and have today's slots due at once."""
    with run.world.context.database.engine.begin() as connection:
        for statement in BACK:
            connection.execute(text(statement))
    now = datetime.now(UTC) - timedelta(minutes=1)
    for service_id in ("1", "2"):
        # Another minute each time: a time that is unchanged is not due again.
        at = now - timedelta(minutes=run.dice.randrange(1, 30))
        form = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": f"{at:%H:%M}" for day in range(7)}
        run.call("SaveSchedule", service_id, timezone="UTC", **form)


def _ask(run: Run) -> None:
    service_id = run.dice.choice("12")
    backup, name = run.some_backup(service_id), run.world.service(service_id).vm_name
    asked: dict[str, dict[str, Any]] = {
        "BackupNow": {},
        "RestoreBackup": {"backup_id": backup, "confirm": name},
        "DeleteBackup": {"backup_id": backup},
        "KeepBackup": {"backup_id": backup, "kept": run.dice.choice("01")},
        "ChangePackage": {"backups": run.dice.choice((2, 3)), "storage": run.dice.choice(("nfs", "pbs"))},
    }  # fmt: skip
    function = run.dice.choice([*asked, "RestoreBackup", "DeleteBackup"])
    run.call(function, service_id, **asked[function])


def _request(run: Run) -> None:
    path = run.dice.choice(("*/vzdump", "*/qemu", "*/content/*", "*/status", "*"))
    kind, more = run.dice.choice((
        ("refuse", {"status": 500}), ("refuse", {"status": 596}),
        ("drop", {"when": "after"}), ("drop", {"when": "before"}),
        ("gateway-timeout", {}), ("garbage", {}), ("delay", {"seconds": 0.5}),
    ))  # fmt: skip
    run.control(kind, path=path, **more)


def _held(run: Run) -> None:
    run.control("hold", path=run.dice.choice(("*/vzdump", "*/content/*", "*/qemu")), times=1, label="held")
    run.later(1.0, lambda: run.control("release", label="held"))


def _task(run: Run) -> None:
    kind = run.dice.choice(("task-fails", "task-warnings", "task-unexpected"))
    run.control(kind, type=run.dice.choice(("vzdump", "imgdel", "qmrestore")))


def _storage(run: Run) -> None:
    # Not one that is empty: what comes back with it is removed again only an hour later.
    kind = run.dice.choice(("storage-offline", "storage-full"))
    run.control(kind, storage="nfs")
    run.later(1.5, lambda: run.control("undo", of=kind))


def _redis(run: Run) -> None:
    kind = run.dice.choice(("emptied", "paused", "read-only", "forged", "full"))
    run.diary.faults[f"redis {kind}"] += 1
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
    run.diary.faults["database locked"] += 1
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


def _come_to_rest(run: Run) -> None:
    """Nothing goes wrong any more: what runs ends, and two syncs with a pause."""
    run.join()
    run.control("release")
    run.control("undo", of="storage-offline")

    wait_until(lambda: _is_quiet(run), lambda: [vars(one) for one in run.world.operations()], pause=0.2)
    for _ in range(3):
        tick.sync_all(run.world.context)
        time.sleep(1.1)
    wait_until(lambda: _is_quiet(run), pause=0.2)
    run.kills, run.diary.ended_at = run.processes.ended, time.time()
    for row in (
        run.world.context.database.engine.connect().execute(text("SELECT * FROM puq_backups_service")).mappings()
    ):
        run.diary.history.note(0.0, dict(row))
    run.diary.collect(run.world, "panel")
    _announce(run.diary)


def _is_quiet(run: Run) -> bool:
    """Whether no operation waits or runs."""
    operations = [one for service_id in ("1", "2") for one in run.world.operations(service_id)]
    return not any(one.state in {"waiting", "running", "stuck"} for one in operations)


def _announce(diary: Diary) -> None:
    """Each removal that was asked for, with all of its audit rows: who was ended cannot be asked before."""
    said = [row["text"] for row in diary.rows["audit"] if row["action"] == "imgdel" and row["actor"]]
    for entry in diary.journal:
        if entry.what == "asked" and entry.subject.startswith("DELETE") and "/content/" in entry.subject:
            volid = unquote(entry.subject.partition("/content/")[2])
            diary.destructions.append(Destruction(f"imgdel {volid}", said.count(f"remove {volid}")))
