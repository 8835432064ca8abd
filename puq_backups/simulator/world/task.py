"""A task as its worker sees it: UPID, log, exit status and the signals sent to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .clock import Clock
from .model import Caller, Node

UPID = re.compile(
    r"UPID:([a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8}):"
    r"([^:\s/]+):([^:\s/]*):([^:\s/]+):"
)


class TaskError(Exception):
    """The worker dies with this text, which becomes the exit status."""


class Interrupted(TaskError):
    """The worker was told to end (SIGTERM)."""

    def __init__(self) -> None:
        super().__init__("interrupted by signal")


class Killed(BaseException):
    """The worker is gone from one moment to the next (SIGKILL): nothing is cleaned up."""


class Silent(Exception):
    """The worker exits without a last line: its status is `unexpected status`."""


class Task:
    """One task. `exitstatus` is None while it runs; `order` counts the tasks of the cluster from 0."""

    def __init__(self, clock: Clock, node: Node, kind: str, subject: str, caller: Caller, order: int) -> None:
        self.clock, self.node, self.type, self.id, self.caller = clock, node.name, kind, subject, caller
        node.next_pid += 3
        self.pid = node.next_pid
        self.pstart = int((clock.now() - node.booted) * 100)
        self.starttime = int(clock.now() + node.clock_skew)
        self.order = order
        self.ended_before: int | None = None  # the order of the first task that began after its end
        stamp = f"{self.pid:08X}:{self.pstart:08X}:{self.starttime:08X}"
        self.upid = f"UPID:{node.name}:{stamp}:{kind}:{subject}:{caller.id}:"
        self.lines: list[str] = []
        self.exitstatus: str | None = None
        self.endtime: int | None = None
        self.warnings = 0
        self.signal: str | None = None
        self.lost = False  # its log has been rotated away
        self.generation = clock.generation

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self.lines.append(line)

    def warn(self, line: str) -> None:
        """Add a warning to the log; the task will end with `WARNINGS: n`."""
        self.warnings += 1
        self.lines.append(line)

    @property
    def running(self) -> bool:
        """Whether the worker has not ended yet."""
        return self.exitstatus is None

    def check_signal(self) -> None:
        """Raise Killed or Interrupted if a signal has arrived, Killed if the world was reset."""
        if self.signal == "KILL" or self._outdated:
            raise Killed
        if self.signal == "TERM":
            self.signal = None
            raise Interrupted

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds (already scaled). Raises on a signal."""
        if seconds > 0:
            self.wait_for(lambda: False, seconds)
        self.check_signal()

    def wait_for(self, ready: Callable[[], Any], seconds: float | None) -> bool:
        """Wait for a condition, for at most so many seconds. Returns whether it holds; raises on a signal."""
        if not ready() and (seconds is None or seconds > 0):
            self.clock.wait_for(lambda: ready() or self.signal or self._outdated, seconds)
        self.check_signal()
        return bool(ready())

    @property
    def _outdated(self) -> bool:
        return self.generation != self.clock.generation


Worker = Callable[[Task], None]
