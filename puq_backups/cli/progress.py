"""Progress of long commands: a bar on a terminal, a line at each tenth elsewhere, both on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

import click

Item = TypeVar("Item")
LINES = 10


def tracked(items: Sequence[Item], label: str) -> Iterator[Item]:
    """Yield the items, and show how many of them are done."""
    if sys.stderr.isatty():
        with click.progressbar(items, label=label, file=sys.stderr) as bar:
            yield from bar
        return
    total = len(items)
    shown = 0
    for done, item in enumerate(items, 1):
        yield item
        if done * LINES // total > shown or done == total:
            shown = done * LINES // total
            click.echo(f"{label}: {done} of {total}", err=True)
