"""How much more two workers do than one, with time added to each answer of Proxmox."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.report import Figure

from . import usage
from .site import Site, opened

DELAY = 0.05
PATIENCE = 1800.0


def figures(folder: Path, backups: int, nodes: int, kind: str, rounds: int = 1) -> list[Figure]:
    """Drain `backups` manual backups with one worker, then with two, `rounds` times in turns."""
    with opened(folder, backups, nodes, kind=kind) as site:
        site.proxmox.control("delay", seconds=DELAY, times=None)
        taken = {1: 0.0, 2: 0.0}
        for workers in (1, 2) * rounds:
            taken[workers] += _drain(site, workers)
        states = site.states()
    if set(states) != {"done"}:
        raise RuntimeError(f"the backups ended as {dict(states)}")
    what = f"{backups} backups on {nodes} nodes, {DELAY * 1000:.0f} ms added to each answer: two workers against one"
    rate = {workers: backups * rounds / seconds for workers, seconds in taken.items()}
    return [Figure(f"{what}, backups a second", rate[2], "≥ 1.7 times", rate[1])]


def _drain(site: Site, workers: int) -> float:
    """Seconds from the start of the workers until the backups that wait have ended."""
    site.back_up_all()
    until, wanted = site.ended(), site.services
    with site.processes(*["worker"] * workers) as machine:
        meter = usage.Meter(site.pids(machine))
        site.wait(lambda: site.ended() == until + wanted, PATIENCE, machine)
        seconds = meter.seconds
        print(f"  {workers} workers: {meter}", file=sys.stderr, flush=True)
    return seconds
