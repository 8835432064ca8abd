"""Runs `flask backups import` and reads its table."""

from __future__ import annotations

from click.testing import Result
from support import world as worlds


def run(world: worlds.World, *words: str) -> Result:
    return world.app.test_cli_runner().invoke(args=["backups", "import", *words])


def lines(found: Result) -> dict[str, list[str]]:
    """The table by service, without its headings."""
    split = [line.split(maxsplit=7) for line in found.stdout.splitlines()]
    return {cells[0]: cells[1:] for cells in split[1:] if len(cells) > 6 and cells[1].isdecimal()}
