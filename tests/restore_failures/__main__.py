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
from .choosing import Play, every_play
from .page import CASES, row, table
from .playing import go_on, play, shown
from .stage import Stage, opened


def main() -> int:
    """Play, print, compare."""
    logging.disable(logging.WARNING)
    client.RETRY_PAUSES = (0.0, 0.0)
    ends: dict[Case, dict[str, str]] = {case: {} for case in CASES}
    folder = Path(tempfile.mkdtemp())
    with simulator.start() as proxmox, services.valkey() as redis_url, opened(proxmox, folder, redis_url) as stage:
        for one in every_play(CASES):
            ends[one.case][str(one)] = _row(stage, one)
    sys.stdout.write(table(seen for found in ends.values() for seen in dict.fromkeys(found.values())))
    otherwise = [name for case, found in ends.items() for name, seen in found.items() if seen != row(case, case.end)]
    sys.stderr.writelines(f"ends otherwise: {name}\n" for name in otherwise)
    return int(bool(otherwise))


def _row(stage: Stage, one: Play) -> str:
    try:
        seen = shown(play(stage, one.case, one.step, one.pve, one.killed), one.case.end)
        if one.goes_on:
            go_on(stage, one.case.way)
    except AssertionError as broken:
        return row(one.case, End("a rule is broken", str(broken).partition("\n")[0]))
    return row(one.case, seen)


sys.exit(main())
