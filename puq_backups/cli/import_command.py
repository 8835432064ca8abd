"""`flask backups import`: takes over the services and archives of an existing cluster."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from ..context import Context
from ..staff import import_list
from ..staff.import_services import Import, Result
from .progress import tracked

HEADINGS = ("service", "VM", "name", "state", "imported", "recorded", "other machines", "first run")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("file", type=FILE, required=False)
@click.option("--params", "common", type=FILE, help="JSON file with the params that all services have in common.")
@click.option("--daily", default="", help="HH:MM: a daily schedule for services without one.")
@click.option("--write", is_flag=True, help="Store what the table says. Without it nothing is stored.")
@with_appcontext
def import_services(file: Path | None, common: Path | None, daily: str, write: bool) -> None:
    """Take over existing services and archives: those of a CSV FILE, else those that your Host lists.

    Prints a table of what is done. It may be repeated, and goes on where it was interrupted.
    """
    context: Context = current_app.extensions["puq_backups"].context
    shared = import_list.read_common(common)
    found = import_list.from_csv(file, context.host, shared) if file else import_list.from_host(context.host, shared)
    services = list(found)
    work = Import(context, write=write, daily=daily)
    results = list(work.run(tracked(services, "Services")))
    _print(results)
    for trouble in work.trouble:
        click.echo(str(trouble), err=True)
    states = Counter(result.state for result in results)
    click.echo(
        f"{len(results)} services: {states['new']} new, {states['known']} known, {states['refused']} refused; "
        f"{sum(result.imported for result in results)} archives imported."
    )
    if not write:
        click.echo("Nothing was stored. Run it again with --write to store this.")
    if states["refused"] or work.trouble:
        raise SystemExit(1)


def _print(results: list[Result]) -> None:
    rows = [HEADINGS, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(result: Result) -> tuple[str, ...]:
    last = str(result.reason) if result.reason else result.first_run
    counts = (str(count) for count in (result.imported, result.recorded, result.others))
    return (result.service_id, result.vmid, result.name, result.state, *counts, last)
