"""A simulated month of a provider, on virtual time: `python -m bench.month --services 1000 --nodes 50 --days 30`.

Half of the services belong to one client, each of the others to a client of its own. Lengths are random, storages and
nodes fail now and then. Prints a table, and with `--docs docs` writes it into docs/scale.md, beside a picture.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from faults import virtual_time as worlds
from faults.outages import Jobs
from support.world import World

from puq_backups.simulator.calls import backup_data

from . import counting, month_report, virtual

GIB, MIB_PER_SECOND = 1024**3, 400
MEDIAN_GIB, SPREAD = 24, 0.8
DAY, HOUR = 86_400.0, 3600.0
SHARE_AT_TWO = 0.6
"""Share of the services whose backup is due at 02:00; the others are spread over the first six hours."""
REFUSED_A_BACKUP = 0.01
"""Calls of vzdump that Proxmox refuses, for each backup."""
OUTAGES_A_DAY, OUTAGE = 0.5, 15 * 60
"""Outages of the storage a day, and how long one lasts in seconds."""
BUSY_HOURS, QUIET_TICK = 8, 600.0
"""After the first hours of a day, when no slot is due, there is a tick each ten minutes only."""
BIG = "big"


@dataclass
class Provider:
    """What is simulated. After `minutes` of real time no further day begins."""

    services: int
    nodes: int
    days: int
    seed: int
    minutes: float = float("inf")

    def state(self) -> dict[str, Any]:
        """The simulator's state: nodes, VMs of random sizes, a shared storage for backups."""
        dice = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        vms, disks = {}, []
        for number in range(self.services):
            vmid, gib = 100 + number, max(2, round(dice.lognormvariate(0, SPREAD) * MEDIAN_GIB))
            disk = f"vm-{vmid}-disk-0"
            vms[str(vmid)] = {
                "status": "running", "node": f"pve{number % self.nodes + 1}",
                "config": {
                    "name": f"vm{vmid}", "memory": "2048", "scsi0": f"ceph:{disk},size={gib}G",
                    "smbios1": f"uuid=6b1f3a00-0000-4000-8000-{vmid:012d}",
                },
            }  # fmt: skip
            disks.append({"volid": f"ceph:{disk}", "vmid": vmid, "size": gib * GIB, "data": gib * GIB // 4})
        return {
            "nodes": [f"pve{number + 1}" for number in range(self.nodes)], "vms": vms, "volumes": disks,
            "storages": [
                {"storage": "ceph", "type": "rbd", "content": ["images"]},
                {"storage": "pbs", "type": "pbs", "content": ["backup"]},
            ],
            "tokens": {"panel": {"user": "root@pam", "token": "root@pam!t", "secret": "secret-of-root"}},
            "work": {"backup_mib_per_second": MIB_PER_SECOND}, "tasks_kept": 1000,
        }  # fmt: skip

    def register(self, world: World) -> None:
        """Declare the services, each with a schedule."""
        dice = random.Random(self.seed + 1)  # noqa: S311 - repeatable on purpose
        for number in range(self.services):
            client = BIG if number < self.services // 2 else f"client{number}"
            service_id, vmid = str(number + 1), 100 + number
            world.register(service_id, vmid, client, backups=3, rotation="before", storage="pbs")
            minutes = 120 if dice.random() < SHARE_AT_TWO else dice.randrange(6 * 60)
            time = f"{minutes // 60:02}:{minutes % 60:02}"
            days = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": time for day in range(7)}
            if (answer := world.call("SaveSchedule", service_id, **days)) != "success":
                raise RuntimeError(answer)


@dataclass
class Past:
    """What the simulator has seen: calls by path template, and when it made backups, by node.

    It is taken out of the simulator each day, which would keep it all.
    """

    calls: Counter[str] = field(default_factory=Counter)
    spans: month_report.Spans = field(default_factory=dict)

    def take(self, world: World, before: float) -> None:
        """Take what the simulator has seen, of its tasks those that ended before a time, and have it forget that."""
        self.calls.update(one.template for one in world.proxmox.requests())
        for task in world.proxmox.tasks("vzdump"):
            if task.endtime is not None and task.endtime < before:
                self.spans.setdefault(task.node, []).append((float(task.starttime), float(task.endtime)))
        world.proxmox.forget(before)


def play(provider: Provider, folder: Path) -> month_report.Outcome:
    """Let the days pass; returns what came of them."""
    queued, dice = Jobs(), random.Random(provider.seed + 2)  # noqa: S311 - repeatable on purpose
    with _opened(folder, provider) as (world, clock), queued.kept():
        clock.advance(virtual.next_midnight(clock) - clock.now() - HOUR)
        provider.register(world)
        clock.advance(HOUR)
        world.proxmox.forget(clock.now())
        past, memory, until = Past(), [(0, *month_report.memory())], _real_seconds() + provider.minutes * 60
        with counting.counted(world.context.database.engine) as cost:
            cost.statements = counting.Counted()
            while len(memory) <= provider.days and _real_seconds() < until:
                _plan_trouble(provider, world, dice)
                _day(world, clock, queued, dice)
                past.take(world, clock.now() - HOUR)
                memory.append((len(memory) * provider.services, *month_report.memory()))
                print(f"day {len(memory) - 1}: {memory[-1][1]:.0f} MiB", file=sys.stderr, flush=True)
        past.take(world, clock.now() + 1)
        return month_report.read(
            world.context, BIG, past.spans, calls=past.calls,
            rows=cost.rows_written, seconds=cost.seconds, memory=memory,
        )  # fmt: skip


@contextmanager
def _opened(folder: Path, provider: Provider) -> Iterator[tuple[World, worlds.Time]]:
    """The provider's world. Backups tell of their progress rarely: nobody looks, and each line wakes a thread."""
    with (
        mock.patch.object(backup_data, "STEP_SECONDS", HOUR),
        worlds.opened(folder, state=provider.state()) as opened,
    ):
        yield opened


def _real_seconds() -> float:
    """A clock that the virtual time leaves alone."""
    return os.times().elapsed


def _plan_trouble(provider: Provider, world: World, dice: random.Random) -> None:
    """Have Proxmox refuse some of the day's calls of vzdump."""
    for _ in range(provider.services):
        if dice.random() < REFUSED_A_BACKUP:
            nth = dice.randrange(1, provider.services + 1)
            world.proxmox.control("refuse", method="POST", path="*/vzdump", status=500, reason="broken", nth=nth)


def _day(world: World, clock: worlds.Time, queued: Jobs, dice: random.Random) -> None:
    begin, end = clock.now(), virtual.next_midnight(clock)
    if dice.random() < OUTAGES_A_DAY:
        at = begin + dice.uniform(0, BUSY_HOURS * HOUR)
        virtual.live(world, clock, queued, at)
        world.proxmox.control("storage-offline", storage="pbs")
        virtual.live(world, clock, queued, at + OUTAGE)
        world.proxmox.control("storage-online", storage="pbs")
    virtual.live(world, clock, queued, max(clock.now(), begin + BUSY_HOURS * HOUR))
    virtual.live(world, clock, queued, end, QUIET_TICK)


def main() -> None:
    """Play, print the table, and write it into the documentation if asked to."""
    parser = argparse.ArgumentParser(prog="bench.month", description=__doc__)
    for name, default in (("services", 100), ("nodes", 10), ("days", 3), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further day after so many")
    parser.add_argument("--docs", type=Path, help="folder whose scale.md gets the table, and the picture beside it")
    given = parser.parse_args()
    logging.getLogger("puq_backups").setLevel(logging.CRITICAL)
    provider = Provider(given.services, given.nodes, given.days, given.seed, given.minutes)
    with tempfile.TemporaryDirectory() as folder:
        outcome = play(provider, Path(folder))
    title = f"{provider.services:,} services on {provider.nodes} nodes, {len(outcome.memory) - 1} days"
    print(f"{title}\n\n{month_report.table(outcome)}")
    if given.docs:
        month_report.write(given.docs, title, outcome)


if __name__ == "__main__":
    main()
