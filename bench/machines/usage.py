"""What processes use, from /proc: CPU and memory. Linux only."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

MIB = 1024
"""In kB, as /proc has them."""


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> dict[str, float]:
    """The memory of a process in MiB: `Rss` all of it, `Pss` with its part of what it shares with others."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kb) / MIB for name, kb in re.findall(r"^(Rss|Pss): +(\d+) kB", text, re.MULTILINE)}


class Meter:
    """The time that passes from now on, and what processes, given by their names, use of the CPU meanwhile."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids, self._began = pids, time.monotonic()
        self._before = {name: cpu_seconds(pid) for name, pid in pids.items()}

    @property
    def seconds(self) -> float:
        """The seconds so far."""
        return time.monotonic() - self._began

    def __str__(self) -> str:
        used = (f"{name} {cpu_seconds(pid) - self._before[name]:.1f} s" for name, pid in self._pids.items())
        return f"{self.seconds:.1f} s; CPU: {', '.join(used)}"
