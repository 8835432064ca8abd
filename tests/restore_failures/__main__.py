"""Plays every case in every way and prints the table of how they ended; the exit status says whether as they must."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from support import services

from puq_backups import simulator
from puq_backups.pve import client

from .case import Case, End
from .page import CASES, row, table
from .prepared_world import PreparedWorld, opened
from .runner import go_on, play, shown
from .selection import Play, every_play


def main() -> int:
    """Play, print, compare."""
    logging.disable(logging.WARNING)
    client.RETRY_PAUSES = (0.0, 0.0)
    ends: dict[Case, dict[str, str]] = {case: {} for case in CASES}
    folder = Path(tempfile.mkdtemp())
    with simulator.start() as proxmox, services.valkey() as redis_url, opened(proxmox, folder, redis_url) as prepared:
        for one in every_play(CASES):
            ends[one.case][str(one)] = _row(prepared, one)
    sys.stdout.write(table(seen for found in ends.values() for seen in dict.fromkeys(found.values())))
    otherwise = [name for case, found in ends.items() for name, seen in found.items() if seen != row(case, case.end)]
    sys.stderr.writelines(f"ends otherwise: {name}\n" for name in otherwise)
    return int(bool(otherwise))


def _row(prepared: PreparedWorld, one: Play) -> str:
    try:
        seen = shown(play(prepared, one.case, one.step, one.pve, one.killed), one.case.end)
        if one.goes_on:
            go_on(prepared, one.case.way)
    except AssertionError as broken:
        return row(one.case, End("a rule is broken", str(broken).partition("\n")[0]))
    return row(one.case, seen)


sys.exit(main())
