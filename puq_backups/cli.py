"""The `flask backups …` commands."""

from __future__ import annotations

import importlib
import json
import time
from datetime import timedelta

import click
from cryptography.fernet import Fernet
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import func, select

from . import jobs
from .accounts.servers import rotate_secrets
from .clock import heartbeats, periodic
from .clock import tick as clock_tick
from .context import Context
from .errors import SettingError
from .migrations import running
from .models import Chore, Operation, Server, Service, leases
from .staff.doctor import run_checks


class Commands(AppGroup):
    """The command group. `simulate` is imported by name, so that the package does not depend on the simulator."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "simulate":
            found: click.Command = importlib.import_module("puq_backups.simulator.cli").simulate
            return found
        return super().get_command(ctx, cmd_name)


backups = Commands("backups", help="Backups of virtual machines: worker, clock and maintenance.")


def _context() -> Context:
    found: Context = current_app.extensions["puq_backups"].context
    return found


@backups.command()
def tick() -> None:
    """Run the time-driven work once. For system cron, every minute."""
    if not _run_tick(_context()):
        raise click.ClickException("The tick failed; the log has the details.")


def _run_tick(context: Context) -> bool:
    context.hooks.run("PreCronJob")
    answers = context.hooks.run("AfterCronJob", context=context)
    counts = next((answer for answer in answers if isinstance(answer, dict) and "slots" in answer), None)
    if counts is not None:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts is not None


@backups.command()
@click.option("--every", default=60, show_default=True, type=click.IntRange(min=1), help="Seconds between two ticks.")
def clock(every: int) -> None:
    """Run `tick` repeatedly as a process. Of several, the one that holds the lease ticks."""
    context, owner = _context(), leases.new_owner()
    while True:
        if periodic.acquire_lease(context, "clock", owner, timedelta(seconds=3 * every)):
            _run_tick(context)
            periodic.record_heartbeat(context, "clock")
        time.sleep(every)


@backups.command()
@click.option("--burst", is_flag=True, help="End when no operation runs or is due.")
def worker(burst: bool) -> None:
    """Run operations: serve the queue."""
    jobs.run_worker(_context(), burst=burst)


@backups.command()
def sync() -> None:
    """Compare our backups with the contents of the storages now."""
    clock_tick.sync_all(_context())


@backups.command()
def doctor() -> None:
    """Check the set-up. Each missing privilege is named with the API call that needs it."""
    worst = 0
    for finding in run_checks(_context()):
        click.echo(f"{finding.level}: {finding.text}")
        worst = max(worst, finding.level == "error")
    if worst:
        raise SystemExit(1)


@backups.command()
def status() -> None:
    """Print operation counts and the last heartbeats of the processes as one JSON object."""
    with _context().database.open() as session:
        states = session.execute(select(Operation.state, func.count()).group_by(Operation.state)).all()
        beats = session.execute(select(Chore.name, Chore.last_run_at).where(Chore.last_run_at.is_not(None))).all()
        found = {
            "operations": {state: count for state, count in states},  # noqa: C416 - mypy does not see rows as pairs
            "services": session.scalar(select(func.count()).select_from(Service)),
            "servers": session.scalar(select(func.count()).select_from(Server)),
            "last": {name: at.isoformat() for name, at in beats if at},
            "health": {part.name: part.level for part in heartbeats.components(session)},
        }
    click.echo(json.dumps(found, indent=1, sort_keys=True))


@backups.group()
def keys() -> None:
    """Keys that encrypt API token secrets in the database."""


@keys.command()
def new() -> None:
    """Print a new key for PUQ_BACKUPS_KEYS."""
    click.echo(Fernet.generate_key().decode())


@keys.command()
@with_appcontext
def rotate() -> None:
    """Encrypt all stored secrets with the newest key."""
    context = _context()
    try:
        count = rotate_secrets(context)
    except SettingError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} secrets are now encrypted with the newest key.")


@backups.group()
def db() -> None:
    """Migrations of the puq-backups tables."""


@db.command()
@with_appcontext
def upgrade() -> None:
    """Migrate the tables to this version."""
    running.upgrade(_context().database.engine)


@db.command()
@with_appcontext
def current() -> None:
    """Print the current migration revision of the tables."""
    click.echo(running.current(_context().database.engine) or "none")
