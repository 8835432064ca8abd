"""Figures of one scheduled backup with rotation: calls to Proxmox, writes to the database; and of a day of many."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import update
from support import world as worlds

from puq_backups.clock import slots
from puq_backups.models import Backup, Service, now
from puq_backups.simulator import Simulator

from . import counting, fill
from .report import Figure

VMS = 10_000
TICKS_A_DAY = 24 * 60
MINUTES = 10
"""Assumed length of a backup. Its task is polled each 5 seconds in its first minute, then ever more rarely."""
HOUSEKEEPING = TICKS_A_DAY // 10 * 2 + TICKS_A_DAY // 5
"""Calls a day for one server with one shared storage: status and listing each 10 minutes, places of VMs each 5."""
TASKS = "/nodes/{node}/tasks"
NO_REDIS = "unix:///nowhere/redis"


def figures(database_url: str) -> list[Figure]:
    """Measure a scheduled backup on the simulator; reckon a day of VMS machines with one backup each."""
    with Simulator() as proxmox:
        world = worlds.make(proxmox, database_url, NO_REDIS)
        world.register(backups=2, rotation="before")
        for _ in range(2):
            world.back_up()
        calls, writes = _scheduled(world)
        world.context.database.engine.dispose()
    # What is asked of a task that runs or has just ended is a poll as well.
    polls = sum(number for template, number in calls.items() if template.startswith(f"GET {TASKS}"))
    others = calls.total() - polls
    ours = VMS * (others + _polls_of_a_backup()) + HOUSEKEEPING
    return [
        Figure("a scheduled backup with rotation: calls, polls aside", others, "≤ 7"),
        Figure("a scheduled backup with rotation: statements that write", writes, "≤ 14"),
        Figure(
            f"calls a day, {VMS:,} VMs, against the feature text's loop (reckoned)", ours, "≤ 0.01",
            # Every VM, every minute: one listing of its backups.
            VMS * TICKS_A_DAY,
        ),
    ]  # fmt: skip


def _scheduled(world: worlds.World) -> tuple[Counter[str], int]:
    at = now()
    with world.context.database.begin() as session:
        # Backups of earlier days: one of today would make the run superfluous.
        session.execute(update(Backup).values(local_date="2020-01-01"))
        service = session.get_one(Service, "1")
        service.schedule, service.next_run_at = fill.schedule(f"{at:%H:%M}"), at
        service.slots_from = at.replace(hour=0, minute=0)
    before = len(world.proxmox.requests())
    slots.claim_due(world.context)
    with counting.counted(world.context.database.engine) as cost:
        world.drain()
    return Counter(f"{one.method} {one.template}" for one in world.proxmox.requests()[before:]), cost.writes


def _polls_of_a_backup() -> int:
    """The polls of one backup of MINUTES on a node of its own."""
    age, polls = 0.0, 0
    while age < MINUTES * 60:
        age += max(5.0, min(age / 12, 60.0))
        polls += 1
    return polls
