"""Memory of web, worker and clock after many operations: backups that end at once, and their removals, by turns."""

from __future__ import annotations

import sys
from pathlib import Path

import requests
from sqlalchemy import select
from support.fork_server import CLIENT, Processes

from bench.report import Figure
from puq_backups.models import Backup, Operation

from . import usage
from .site import Site, opened

ROLES = ("web", "worker", "clock")
PER_NODE = 4
FIRST_PART = 5
"""Memory is compared with that after the first of so many parts."""
LOOKED_AT = 5
"""For one of so many operations somebody looks at a page, and at its state."""
PATIENCE = 600.0
Memory = dict[str, dict[str, float]]


def figures(folder: Path, operations: int, nodes: int, kind: str) -> list[Figure]:
    """Play `operations` operations on two services a node."""
    with opened(folder, 2 * nodes, nodes, kind=kind, per_node=PER_NODE, poll=1) as site:
        with site.processes(*ROLES) as machine:
            machine.wait_for_web()
            first, all_ = (_after(site, machine, count) for count in (operations // FIRST_PART, operations))
        states = site.states()
    if set(states) != {"done"}:
        raise RuntimeError(f"the operations ended as {dict(states)}")
    what = f"after {states['done']:,} operations, against {operations // FIRST_PART:,}"
    return [
        Figure(f"{name.upper()} of {role} {what}", all_[role][name], "≤ 1.05 times", first[role][name], " MiB")
        for role in ROLES for name in ("Rss", "Pss")
    ]  # fmt: skip


def _after(site: Site, machine: Processes, count: int) -> Memory:
    """Have so many operations done in all; returns the memory of each process then."""
    meter, asked = usage.Meter(site.pids(machine)), site.ended()
    while asked < count:
        site.wait(lambda: bool(_free(site)), PATIENCE, machine)
        for number in _free(site)[: count - asked]:
            _ask(site, machine, number)
            asked += 1
            if asked % LOOKED_AT == 0:
                _look(site, machine, number)
    site.wait(lambda: site.ended() == count, PATIENCE, machine)
    found = {role: usage.memory(machine.pids[number]) for number, role in enumerate(ROLES)}
    print(f"  {count} operations: {meter}", file=sys.stderr, flush=True)
    return found


def _free(site: Site) -> list[int]:
    """The numbers of the services for which nothing waits or runs."""
    live = select(Operation.service_id).where(Operation.state.in_(("waiting", "running", "stuck")))
    with site.world.context.database.open() as session:
        busy = set(session.scalars(live))
    return [number for number in range(site.services) if str(number + 1) not in busy]


def _ask(site: Site, machine: Processes, number: int) -> None:
    """Ask for a backup of a service, or for the removal of the one that it has."""
    service_id = str(number + 1)
    with site.world.context.database.open() as session:
        held = session.scalar(select(Backup.id).where(Backup.service_id == service_id, Backup.removed_at.is_(None)))
    name, form = ("DeleteBackup", {"backup_id": held}) if held else ("BackupNow", {})
    if (answer := machine.call(name, {"serviceid": service_id} | form, site.client(number))) != "success":
        raise RuntimeError(f"{name}: {answer}")


def _look(site: Site, machine: Processes, number: int) -> None:
    """Look at the page of a service, and ask for its state."""
    for path in ("", "state"):
        url = f"{machine.url}/services/{number + 1}/backups/{path}"
        requests.get(url, headers={CLIENT: site.client(number)}, timeout=60).raise_for_status()
