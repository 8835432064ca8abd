"""Two machines share one Redis and one database; one of them is killed with all of its processes while backups run.

A machine here has process ids of its own, so that the other one cannot see whose lease is that of a dead process, and
an address of its own for its web process.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.fork_server import Processes

from bench.report import Figure
from puq_backups.pve import notes

from .site import Site, opened

ROLES = ("web", "worker", "clock")
ADDRESSES = ("127.0.0.2", "127.0.0.3")
KILLED_AFTER = 4
"""One machine is killed when the first of so many parts of the backups has ended."""
DELAY = 0.05
LEASE = {"connect_timeout": 2, "read_timeout": 8}
"""A lease lasts three times as long as both: what the killed machine held is free after half a minute."""
PATIENCE = 1800.0


def machine_command() -> tuple[str, ...]:
    """The command that gives processes ids of their own, and ends them all when it is killed itself."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    found = ("unshare", *user, "--pid", "--fork", "--mount-proc", "--kill-child")
    if subprocess.run([*found, "true"], check=False, capture_output=True).returncode:  # noqa: S603 - ours
        raise SystemExit("killed: unshare (util-linux) cannot make a PID namespace here")
    return found


def figures(folder: Path, backups: int, nodes: int, kind: str) -> list[Figure]:
    """Let two machines make `backups` scheduled backups, and kill one of them on the way."""
    command = machine_command()
    with opened(folder, backups, nodes, kind=kind, **LEASE) as site, ExitStack() as stack:
        site.proxmox.control("delay", seconds=DELAY, times=None)
        machines = [
            stack.enter_context(site.processes(*ROLES, address=address, wrapper=command)) for address in ADDRESSES
        ]
        for machine in machines:
            machine.wait_for_web()
        _schedule(site, machines)
        killed, left = machines
        site.wait(lambda: site.ended() >= backups // KILLED_AFTER, PATIENCE, left)
        killed.fork_server.kill()
        killed.fork_server.wait()
        begun, running = time.monotonic(), site.states()["running"]
        site.wait(lambda: site.ended() == backups, PATIENCE, left)
        seconds, journal = time.monotonic() - begun, site.proxmox.journal()
        states, held = site.states(), archives(journal)
    what = f"{backups} scheduled backups by two machines, one of which was killed while {running} ran"
    return [
        Figure(f"{what}: done", states["done"], f"{backups}"),
        Figure("the same: started twice", twice(journal), "0"),
        Figure("the same: lost, without an archive", backups - held, "0"),
        Figure("the same: from the kill until the last one has ended", seconds, "", unit=" s"),
    ]


def _schedule(site: Site, machines: list[Processes]) -> None:
    """Save a schedule for each service whose slot of today is due at once, by the web processes in turns."""
    at = datetime.now(UTC) - timedelta(minutes=1)
    form = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": f"{at:%H:%M}" for day in range(7)}
    for number in range(site.services):
        params = {"serviceid": str(number + 1), "timezone": "UTC", **form}
        answer = machines[number % len(machines)].call("SaveSchedule", params, site.client(number))
        if answer != "success":
            raise RuntimeError(answer)


def starts(journal: Iterable[dict[str, Any]]) -> Counter[str]:
    """How often Proxmox was asked for a backup, by the operation's token, which the notes of the backup have."""
    found: Counter[str] = Counter()
    for entry in journal:
        if entry["what"] == "asked" and entry["subject"].startswith("POST ") and entry["subject"].endswith("/vzdump"):
            marker = notes.find_marker(entry["details"]["params"].get("notes-template", ""))
            found[marker[1] if marker else ""] += 1
    return found


def twice(journal: Iterable[dict[str, Any]]) -> int:
    """How many operations started more than one backup."""
    return sum(number > 1 for number in starts(journal).values())


def archives(journal: Iterable[dict[str, Any]]) -> int:
    """How many VMs have a backup that was made."""
    return len({entry["details"].get("vmid") for entry in journal if entry["what"] == "added"})
