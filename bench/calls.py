"""Figures of one scheduled backup with rotation: calls to Proxmox, writes to the database."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from faults import virtual_time as worlds
from sqlalchemy import select
from support.world import World

from puq_backups.clock import slots
from puq_backups.inventory import sync
from puq_backups.models import Server, Service, now

from . import counting, fill
from .report import Figure

TASKS = "/nodes/{node}/tasks"
DAY = 86_400.0


def figures(folder: Path) -> list[Figure]:
    """Measure a scheduled backup with a free place, and one that removes the oldest before."""
    free, rotating = (scheduled(folder / name, quota) for name, quota in (("free", 3), ("rotating", 2)))
    # What is asked of a task that runs or has just ended is a poll as well.
    others = sum(number for template, number in rotating[0].items() if not template.startswith(f"GET {TASKS}"))
    return [
        Figure("a scheduled backup with rotation: calls, polls aside", others, "≤ 7"),
        Figure("a scheduled backup, a place is free: statements that write, polls aside", free[1], "≤ 14"),
        Figure("a scheduled backup with rotation: statements that write, polls aside", rotating[1], "≤ 14"),
    ]


def scheduled(folder: Path, quota: int) -> tuple[Counter[str], int]:
    """Calls and writes of the third backup of a VM."""
    folder.mkdir()
    with worlds.opened(folder, poll=0.02) as (world, clock):
        # Tasks have ended when they are looked at for the first time.
        world.proxmox.world.pace.clear()
        world.register(backups=quota, rotation="before")
        for _ in range(2):
            world.back_up()
            clock.advance(DAY)
        make_due(world)
        before = len(world.proxmox.requests())
        slots.claim_due(world.context)
        with counting.counted(world.context.database.engine) as cost:
            world.drain()
        made = world.proxmox.requests()[before:]
    return Counter(f"{one.method} {one.template}" for one in made), cost.writes


def make_due(world: World) -> None:
    """Make a scheduled backup due now, and have the storages compared, as a worker does from time to time.

    So what the backup's check sees of its storage is known already.
    """
    with world.context.database.begin() as session:
        service = session.get_one(Service, "1")
        service.schedule, service.next_run_at = fill.schedule(f"{now():%H:%M}"), now()
        service.slots_from = now().replace(hour=0, minute=0)
        server = session.scalars(select(Server)).one()
    sync.sync_backups(world.context, server)
