"""Fault runs with real processes: web, two workers and two clocks, each ended by SIGKILL or SIGTERM at any instant.

Time is real here, so a day passes by moving the dates of what was made thirty days back.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from support import databases, services
from support import world as worlds
from support.fork_server import Processes
from support.waiting import wait_until

from puq_backups.clock import periodic
from puq_backups.simulator import start

from . import destruction_audit
from .real_faults import FAULTS
from .real_run import Run

ROLES = ("web", "worker", "worker", "clock", "clock")
SETTINGS: dict[str, Any] = {
    "poll": 0.05, "settle": 0.5, "shutdown_timeout": 2, "bin_hours": 0, "retry_delays": [0.2, 0.2],
    "busy_patience": 2, "rate_limits": {}, "missing_after": 1,
}  # fmt: skip
CALM = 0.7
"""How often what a day's slots make is waited for before somebody asks for something."""
BACK = (
    "UPDATE puq_backups_operation SET slot_date = date(slot_date, '-30 days') WHERE slot_date IS NOT NULL",
    "UPDATE puq_backups_backup SET slot_date = date(slot_date, '-30 days') WHERE slot_date IS NOT NULL",
    "UPDATE puq_backups_backup SET local_date = date(local_date, '-30 days')",
    "UPDATE puq_backups_service SET slots_from = NULL",
)


def play(seed: int, folder: Path, *, rounds: int = 8) -> Run:
    """Play a run to its quiet end."""
    with _begun(seed, folder) as run:
        for number in range(rounds):
            if number % 2 == 0:
                _next_day(run)
                if run.rng.random() < CALM:
                    # Else nothing is there yet that could be restored, removed or rotated.
                    wait_until(lambda: _is_quiet(run), pause=0.2)
            if run.rng.random() < 0.7:
                run.rng.choice(FAULTS)(run)
            for _ in range(run.rng.choice((1, 2))):
                _ask(run)
            # Any instant of what runs now.
            time.sleep(run.rng.random() * 0.5)
            victim = run.rng.randrange(len(ROLES))
            run.processes.end(victim, run.rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
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
        processes = stack.enter_context(Processes(database, redis, ROLES, SETTINGS))
        processes.wait_for_web()
        run = Run(seed, world, processes, redis)
        for service_id in ("1", "2"):
            run.record.quotas[service_id] = [1, 2]
            package = {"backups": run.rng.choice((1, 2)), "rotation": run.rng.choice(("before", "after"))}
            run.call("CreateAccount", service_id, storage="nfs", **package)
        yield run


def _next_day(run: Run) -> None:
    """Let a day pass for what was made, and have today's slots due at once."""
    with run.world.context.database.engine.begin() as connection:
        for statement in BACK:
            connection.execute(text(statement))
    now = datetime.now(UTC) - timedelta(minutes=1)
    for service_id in ("1", "2"):
        # A time that is unchanged is not due again.
        times = (now - timedelta(minutes=minutes) for minutes in run.rng.sample(range(1, 30), 29))
        at = next(at for at in times if f"{at:%H:%M}" != run.saved.get(service_id))
        run.saved[service_id] = f"{at:%H:%M}"
        form = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": f"{at:%H:%M}" for day in range(7)}
        run.record.promised.pop(service_id, None)
        saved = run.call("SaveSchedule", service_id, timezone="UTC", **form) == "success"
        if saved and at.date() == datetime.now(UTC).date():
            run.record.promised[service_id] = at.date().isoformat()


def _ask(run: Run) -> None:
    service_id = run.rng.choice("12")
    backup, name = run.some_backup(service_id), run.world.service(service_id).vm_name
    asked: dict[str, dict[str, Any]] = {
        "BackupNow": {},
        "RestoreBackup": {"backup_id": backup, "confirm": name},
        "DeleteBackup": {"backup_id": backup},
        "KeepBackup": {"backup_id": backup, "kept": run.rng.choice("01")},
        "ChangePackage": {"backups": run.rng.choice((1, 1, 2)), "storage": run.rng.choice(("nfs", "pbs"))},
    }  # fmt: skip
    function = run.rng.choice([*asked, "RestoreBackup", "DeleteBackup", "DeleteBackup"])
    run.call(function, service_id, **asked[function])


def _come_to_rest(run: Run) -> None:
    """Nothing goes wrong any more: what runs ends, and two syncs with a pause."""
    run.join()
    run.control("release")
    run.control("undo", of="storage-offline")

    # The lease of a clock that was killed ends by itself; the rule speaks of slots that never come.
    with suppress(AssertionError):
        wait_until(lambda: _has_slots(run), pause=0.2)
    wait_until(lambda: _is_quiet(run), lambda: [vars(one) for one in run.world.operations()], pause=0.2)
    for _ in range(3):
        periodic.sync_all(run.world.context)
        time.sleep(1.1)
    wait_until(lambda: _is_quiet(run), pause=0.2)
    run.kills, run.record.ended_at = run.processes.ended, time.time()
    for row in (
        run.world.context.database.engine.connect().execute(text("SELECT * FROM puq_backups_service")).mappings()
    ):
        run.record.history.note(0.0, dict(row))
    run.record.collect(run.world, "panel")
    run.record.destructions += destruction_audit.by_journal(run.record)


def _has_slots(run: Run) -> bool:
    """Whether the slots that were promised are there, or a backup of the day."""
    return all(
        day in {one.slot_date for one in run.world.operations(service_id)}
        or day in {one.local_date for one in run.world.held(service_id)}
        for service_id, day in run.record.promised.items()
    )


def _is_quiet(run: Run) -> bool:
    """Whether no operation waits or runs."""
    operations = [one for service_id in ("1", "2") for one in run.world.operations(service_id)]
    return not any(one.state in {"waiting", "running", "stuck"} for one in operations)
