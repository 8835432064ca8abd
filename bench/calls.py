"""Figures of one scheduled backup with rotation: calls to Proxmox, writes to the database."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import update
from support import world as worlds

from puq_backups.clock import slots
from puq_backups.models import Backup, Service, now
from puq_backups.simulator import Simulator

from . import counting, fill
from .report import Figure

TASKS = "/nodes/{node}/tasks"
NO_REDIS = "unix:///nowhere/redis"


def figures(database_url: str) -> list[Figure]:
    """Measure a scheduled backup on the simulator."""
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
    return [
        Figure("a scheduled backup with rotation: calls, polls aside", others, "≤ 7"),
        Figure("a scheduled backup with rotation: statements that write", writes, "≤ 14"),
    ]


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
