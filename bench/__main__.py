"""Prints the figures: `make bench`. With ARGS="--services 10000 --databases sqlite" a smaller provider."""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

from support import databases as servers
from support.bare_host import Host, mount

from . import calls, databases, day, pages, report, size


def main() -> None:
    """Measure each database that is there, then the calls, and print a table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--services", type=int, default=100_000, help="number of services; default 100000")
    parser.add_argument("--databases", default=",".join(servers.DATABASES), help="which to measure; default all")
    given = parser.parse_args()
    found: list[report.Figure] = []
    with tempfile.TemporaryDirectory() as name:
        for kind in given.databases.split(","):
            if reason := servers.why_no_database(kind):
                print(f"{kind} left out: {reason}")
                continue
            with servers.scratch_database(kind, Path(name)) as url:
                host = Host()
                app, backups = mount(url, host=host, pooled=True)
                found += databases.figures(backups.context, given.services, kind)
                found += pages.figures(app, backups.context, host, given.services, kind)
        # Nothing here has a Redis, and each part would say so.
        logging.getLogger("puq_backups").setLevel(logging.ERROR)
        found += calls.figures(Path(name))
        found += day.figures(Path(name))
        found += size.figures(Path(name) / "size")
    print(report.table(found))


main()
