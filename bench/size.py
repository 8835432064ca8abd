"""How large the database gets in ten years: what a scheduled backup with its rotation leaves behind."""

from __future__ import annotations

from pathlib import Path

from faults import virtual_time as worlds
from support.world import World

from puq_backups.clock import slots

from . import calls
from .report import Figure

SERVICES, YEARS, DAYS_A_YEAR = 10_000, 10, 365
QUOTA, MADE = 3, 24
GB = 1e9


def figures(folder: Path) -> list[Figure]:
    """Measure what MADE backups add to a database, and what is kept of SERVICES with a backup a day."""
    folder.mkdir()
    with worlds.opened(folder, poll=0.02) as (world, clock):
        world.proxmox.world.pace.clear()
        world.register(backups=QUOTA, rotation="before", storage="nfs")
        sizes = [_size(world)]
        for count in (QUOTA + 1, MADE):
            for _ in range(count):
                clock.advance(calls.DAY)
                calls.make_due(world)
                slots.claim_due(world.context)
                world.drain()
            sizes.append(_size(world))
        ended = [operation.state for operation in world.operations()]
        days = world.context.settings.history.total_seconds() / calls.DAY
    if set(ended) != {"done"}:
        raise RuntimeError(f"the backups ended as {ended}")
    each = (sizes[2] - sizes[1]) / MADE
    forever = each * SERVICES * YEARS * DAYS_A_YEAR / GB
    return [
        Figure("a scheduled backup with rotation: its rows in SQLite until they are purged", each, "", unit=" bytes"),
        Figure(
            f"after {YEARS} years of {SERVICES:,} services with a backup a day, {days:.0f} days kept",
            each * SERVICES * days / GB, "bounded", forever, " GB",
        ),
    ]  # fmt: skip


def _size(world: World) -> int:
    """Bytes of the database without free pages."""
    with world.context.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
