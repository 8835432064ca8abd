"""Figures of real processes beyond one machine: `make machines ARGS="--only polls,two-workers,killed,memory"`.

A PostgreSQL has to answer where the tests look for it; Redis is an embedded Valkey.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from support import databases

from bench import report

from . import killed, memory, polls, two_workers

Part = Callable[[Path, argparse.Namespace], list[report.Figure]]
PARTS: dict[str, Part] = {
    "polls": lambda folder, given: polls.figures(folder, given.nodes, given.per_node, given.database, given.minutes),
    "two-workers": lambda folder, given: two_workers.figures(folder, given.backups, given.nodes, given.database),
    "killed": lambda folder, given: killed.figures(folder, given.backups, given.nodes, given.database),
    "memory": lambda folder, given: memory.figures(folder, given.operations, given.nodes, given.database),
}


def main() -> None:
    """Measure each part that is asked for, and print a table."""
    parser = argparse.ArgumentParser(prog="bench.machines", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas; default all")
    parser.add_argument("--database", default="postgresql", choices=databases.DATABASES, help="default postgresql")
    parser.add_argument("--nodes", type=int, default=50, help="number of nodes; default 50")
    parser.add_argument("--backups", type=int, default=300, help="two-workers, killed: backups to make; default 300")
    parser.add_argument("--per-node", type=int, default=10, help="polls: backups that run on a node; default 10")
    parser.add_argument("--minutes", type=float, default=5.0, help="polls: how long they are watched; default 5")
    parser.add_argument("--operations", type=int, default=1000, help="memory: operations to play; default 1000")
    given = parser.parse_args()
    if reason := databases.why_no_database(given.database):
        raise SystemExit(reason)
    # What was started and made is gone afterwards, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    logging.getLogger("puq_backups").setLevel(logging.ERROR)
    found: list[report.Figure] = []
    try:
        for name in given.only.split(","):
            print(name, file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as folder:
                found += PARTS[name](Path(folder), given)
    finally:
        print(report.table(found))


if __name__ == "__main__":
    main()
