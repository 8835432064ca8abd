"""How late polls are while one worker watches many running backups: read from what the simulator was asked."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.report import Figure

from . import usage
from .site import opened

POLL = 5.0
FIRST_MINUTE, GROWTH, LONGEST = 60.0, 4, 60.0
LATE = 2.0
"""Seconds by which a poll counts as late: the worker looks once a second for what is due."""
PATIENCE = 900.0


@dataclass(frozen=True)
class Poll:
    """A poll of a node: when it was made, and the latest time at which the rule wants it (seconds since the epoch).

    `gap` is the time since the poll before, and `allowed` what the rule allows for it.
    """

    at: float
    due: float
    gap: float
    allowed: float

    @property
    def late(self) -> float:
        """Seconds after it was due."""
        return self.at - self.due


@dataclass
class Node:
    """Its tasks by the time at which each began, and its polls, oldest first."""

    began: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def polls(self) -> list[Poll]:
        """Its polls. The next one is due an interval after the last one, and that long after each task's begin."""
        found = []
        for before, at in zip([min(self.began, default=0.0), *self.asked], self.asked, strict=False):
            youngest = max((one for one in self.began if one <= before), default=before)
            allowed = interval(before - youngest)
            started = [one + POLL for one in self.began if before < one < at]
            found.append(Poll(at, min([before + allowed, *started]), at - before, allowed))
        return found


def interval(age: float) -> float:
    """Seconds until the next poll of a task of this age: what docs/scale.md promises."""
    return POLL if age < FIRST_MINUTE else min(age / GROWTH, LONGEST)


def read(journal: Iterable[dict[str, Any]]) -> list[Poll]:
    """The polls of all nodes, in the order of time."""
    nodes: dict[str, Node] = {}
    for entry in journal:
        what, subject = entry["what"], entry["subject"]
        if what == "started" and ":vzdump:" in subject:
            nodes.setdefault(subject.split(":")[1], Node()).began.append(entry["at"])
        elif what == "asked" and subject.startswith("GET /nodes/") and subject.endswith("/tasks"):
            nodes.setdefault(subject.split("/")[2], Node()).asked.append(entry["at"])
    return sorted((poll for node in nodes.values() for poll in node.polls()), key=lambda poll: poll.at)


def figures(folder: Path, nodes: int, per_node: int, kind: str, minutes: float) -> list[Figure]:
    """Let one worker start and watch backups that do not end, for so many minutes after the last one began."""
    count = nodes * per_node
    with opened(folder, count, nodes, kind=kind, per_node=per_node, poll=POLL) as site:
        site.proxmox.control("hold-task", type="vzdump")
        site.back_up_all()
        with site.processes("worker") as machine:
            site.wait(lambda: site.with_task() == count, PATIENCE, machine)
            meter = usage.Meter(site.pids(machine))
            site.wait(lambda: meter.seconds > minutes * 60, PATIENCE + minutes * 60, machine)
            print(f"  while all run: {meter}", file=sys.stderr, flush=True)
        journal = site.proxmox.journal()
    polls, all_run = read(journal), max(_began(journal))
    return [
        *_figures(f"one worker starts {count} backups", [poll for poll in polls if poll.due <= all_run]),
        *_figures(f"one worker watches {count} backups", [poll for poll in polls if poll.due > all_run]),
    ]


def _began(journal: Iterable[dict[str, Any]]) -> list[float]:
    return [entry["at"] for entry in journal if entry["what"] == "started" and ":vzdump:" in entry["subject"]]


def _figures(what: str, polls: list[Poll]) -> list[Figure]:
    if not polls:
        return []
    worst = max(polls, key=lambda poll: poll.late)
    share = 100 * sum(poll.late > LATE for poll in polls) / len(polls)
    median = statistics.median(poll.late for poll in polls)
    return [
        Figure(f"{what}: {len(polls)} polls, median lateness", median, "≤ 1 s", unit=" s"),
        Figure("the same: polls late by more than two seconds", share, "0", unit=" %"),
        Figure("the same: the gap before the latest poll, against what the rule allows", worst.gap, "≤ 1.4 times",
               worst.allowed, " s"),
    ]  # fmt: skip
