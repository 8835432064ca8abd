"""The table as the page has it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import reinstalls, restores
from .case import Case, End

PAGE = Path(__file__).parents[2] / "docs" / "restore-failures.md"
BEGIN, STOP = "<!-- cases -->\n", "<!-- end of cases -->\n"
CASES = (*restores.CASES, *reinstalls.CASES)
HEAD = ("operation", "step", "what goes wrong", "ends", "the VM", "offered next", "the client reads", "mails to")


def row(case: Case, end: End) -> str:
    """One row of the table, with this end."""
    steps = " ".join(f"`{step}`" for step in case.steps)
    reads = f"*{end.reads.strip()}* …" if end.reads else "nothing of it"
    cells = (case.operation, steps, case.wrong, end.state, end.vm, end.ways or "staff", reads, end.mails)
    return f"| {' | '.join(cells)} |\n"


def table(rows: Iterable[str]) -> str:
    """The rows with their head."""
    return "".join((f"| {' | '.join(HEAD)} |\n", f"|{'---|' * len(HEAD)}\n", *rows))


def expected() -> str:
    """The table of all cases as they have to end."""
    return table(row(case, case.end) for case in CASES)


def on_the_page() -> str:
    """The table that the page has."""
    return PAGE.read_text().split(BEGIN)[1].split(STOP)[0]
