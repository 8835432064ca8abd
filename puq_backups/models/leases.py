"""Who holds a row, and whether that process can still act on it."""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from functools import cache
from pathlib import Path

from ..config import Settings


def duration_seconds(settings: Settings) -> float:
    """How long a lease lasts: three times the longest that one request to Proxmox can take."""
    return 3 * (settings.connect_timeout + settings.read_timeout).total_seconds()


def new_owner() -> str:
    """This process and this claim: no other claim, in this process or another, has the same."""
    return f"{_place()}|{os.getpid()}|{_born(os.getpid())}|{secrets.token_hex(6)}"


def is_held(owner: str | None, until: datetime | None, clock: datetime) -> bool:
    """Whether a lease is in force at `clock` (the database's). A dead process holds nothing."""
    return bool(owner and until and until > clock and not is_dead(owner))


def is_dead(owner: str) -> bool:
    """Whether the owner is surely gone: same boot and process namespace as ours, and no such process here.

    Anything less certain counts as alive; its lease then has to run out.
    """
    place, pid, born, _ = owner.split("|")
    return bool(place) and place == _place() and _born(int(pid)) != born


@cache
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _place() -> str:
    # Two containers may share host name and process ids, never boot id and process namespace.
    try:
        return f"{_boot()}/{Path('/proc/self/ns/pid').stat().st_ino}" if _boot() else ""
    except OSError:
        return ""


def _born(pid: int) -> str:
    # A process id is used again; together with the start time it is not.
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] == "Z" else after_name[19]
