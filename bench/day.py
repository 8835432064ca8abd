"""Calls to Proxmox in a day of 10,000 VMs, counted on one VM: by the product, and by the feature text's loop.

Each VM has one backup a day at TIME of MINUTES on a node of its own, so that no poll is shared: the dearest case.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults import virtual_time as worlds
from faults.outages import Jobs
from support.world import World

from puq_backups.simulator.simulator import Seen

from . import feature_loop, virtual
from .report import Figure

VMS = 10_000
TIME = "02:00"
MINUTES = 10
QUOTA = 2
DAY, HOUR = 86_400.0, 3600.0
ACTIVE = "/nodes/{node}/tasks"


def figures(folder: Path) -> list[Figure]:
    """Count what a VM costs in a day, and what the loop asks for it."""
    quiet, backup, polls = _product(folder)
    ours = VMS * backup + quiet
    return [
        Figure(f"polls of a backup of {MINUTES} minutes that nobody watches", polls, "5 s a minute long, then to 60"),
        Figure(
            f"calls a day, {VMS:,} VMs with a backup at {TIME}, against the feature text's loop", ours, "≤ 0.01",
            VMS * _loop(folder),
        ),
    ]  # fmt: skip


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[World, worlds.Time]]:
    folder.mkdir()
    with worlds.opened(folder) as (world, clock):
        world.proxmox.world.pace["backup_seconds"] = MINUTES * 60
        yield world, clock


def _product(folder: Path) -> tuple[int, int, int]:
    """Calls of a day without a backup, of one backup with a rotation, and polls of that backup.

    The hours in which nothing is due are not played: a quiet day is counted on an hour.
    """
    queued = Jobs()
    with _opened(folder / "product") as (world, clock), queued.kept():
        _until(clock, "00:00")
        world.register(backups=QUOTA, rotation="before", storage="nfs")
        _schedule(world)
        for _ in range(QUOTA + 1):
            _until(clock, TIME)
            busy = _calls(world, clock, queued)
        quiet = _calls(world, clock, queued)
        states = [operation.state for operation in world.operations()]
    if states != ["done"] * (QUOTA + 1):
        raise RuntimeError(f"the backups ended as {states}")
    polls = sum(one.method == "GET" and one.template == ACTIVE for one in busy)
    return round(len(quiet) * DAY / HOUR), len(busy) - len(quiet), polls


def _schedule(world: World) -> None:
    days = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": TIME for day in range(7)}
    if (answer := world.call("SaveSchedule", **days)) != "success":
        raise RuntimeError(answer)


def _until(clock: worlds.Time, time: str) -> None:
    """Let time pass until it is `time` (HH:MM, UTC)."""
    hours, minutes = map(int, time.split(":"))
    at = virtual.next_midnight(clock) + hours * HOUR + minutes * 60
    clock.advance((at - clock.now()) % DAY)


def _calls(world: World, clock: worlds.Time, queued: Jobs) -> list[Seen]:
    """Let an hour pass with a tick each minute. Returns its calls."""
    before = len(world.proxmox.requests())
    virtual.live(world, clock, queued, clock.now() + HOUR)
    return world.proxmox.requests()[before:]


def _loop(folder: Path) -> int:
    """Calls of the feature text's loop for one VM, in a day on which its quota is full."""
    with _opened(folder / "loop") as (world, clock):
        world.register()
        machines, calls = [feature_loop.Machine(100, "pve1", "nfs", TIME, QUOTA)], 0
        for _ in range(QUOTA + 1):
            _until(clock, "00:00")
            before, end = len(world.proxmox.requests()), virtual.next_midnight(clock)
            while clock.now() < end:
                feature_loop.tick(world.client, machines, virtual.moment(clock))
                clock.advance(virtual.TICK)
            calls = len(world.proxmox.requests()) - before
        made = len(world.proxmox.volumes("nfs")) - 1  # one is a stranger's
    if made != QUOTA:
        raise RuntimeError(f"the loop keeps {made} backups, not {QUOTA}")
    return calls
