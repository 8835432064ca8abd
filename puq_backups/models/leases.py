"""Leases: a claim of one process on a row, until a time. A lease of a process known to be dead does not count."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path

from ..config import Settings


def duration_seconds(settings: Settings) -> float:
    """Return the duration of a lease in seconds: three times the longest possible request to Proxmox."""
    return 3 * (settings.connect_timeout + settings.read_timeout).total_seconds()


def new_owner() -> str:
    """Return a lease owner that identifies this process and is unique to this claim."""
    return f"{_own_process(os.getpid())}|{secrets.token_hex(6)}"


def is_held(owner: str | None, until: datetime | None, clock: datetime) -> bool:
    """Return whether the lease of `owner` until `until` is in force at `clock`, the database's time."""
    return bool(owner and until and until > clock and not is_dead(owner))


def is_dead(owner: str) -> bool:
    """Return whether the owner's process has certainly ended: same boot and PID namespace, no such process.

    In any other case the lease has to expire.
    """
    process, _, _ = owner.rpartition("|")
    if process == _own_process(os.getpid()):
        return False
    machine, pid, started, *_ = [*owner.split("|"), "", "", ""]
    return pid.isdecimal() and bool(machine) and machine == _machine() and _start_time(int(pid)) != started


@lru_cache(1)
def _own_process(pid: int) -> str:
    """Machine, process id and start time of this process; made anew in a fork."""
    return f"{_machine()}|{pid}|{_start_time(pid)}"


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _machine() -> str:
    # Two containers may share host name and process ids, but not both boot id and PID namespace.
    try:
        return f"{_boot()}/{Path('/proc/self/ns/pid').stat().st_ino}" if _boot() else ""
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    # Process ids are reused; a process id together with its start time is not.
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] == "Z" else after_name[19]
