"""`flask backups …`: thin commands, for people, cron and process managers."""

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
from .staff.doctor import examine


class Commands(AppGroup):
    """Our commands, and `simulate`, which is loaded by name: nothing of ours can come to lean on the simulator."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "simulate":
            found: click.Command = importlib.import_module("puq_backups.simulator.cli").simulate
            return found
        return super().get_command(ctx, cmd_name)


backups = Commands("backups", help="Backups of virtual machines: worker, clock and upkeep.")


def _toolbox() -> Context:
    found: Context = current_app.extensions["puq_backups"].context
    return found


@backups.command()
def tick() -> None:
    """Do once what time brings about (from system cron, each minute)."""
    if not _tick(_toolbox()):
        raise click.ClickException("The tick failed; the log has the details.")


def _tick(context: Context) -> bool:
    context.hooks.run("PreCronJob")
    answers = context.hooks.run("AfterCronJob", context=context)
    counts = next((answer for answer in answers if isinstance(answer, dict) and "slots" in answer), None)
    if counts is not None:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts is not None


@backups.command()
@click.option("--every", default=60, show_default=True, type=click.IntRange(min=1), help="Seconds between two ticks.")
def clock(every: int) -> None:
    """Tick as a process. Of many, the one that holds the lease ticks."""
    context, owner = _toolbox(), leases.new_owner()
    while True:
        if periodic.acquire_lease(context, "clock", owner, timedelta(seconds=3 * every)):
            _tick(context)
            periodic.record_heartbeat(context, "clock")
        time.sleep(every)


@backups.command()
@click.option("--burst", is_flag=True, help="End when no operation runs or is due.")
def worker(burst: bool) -> None:
    """Do the work: serve the queue."""
    jobs.work(_toolbox(), burst=burst)


@backups.command()
def sync() -> None:
    """Compare our backups with what the storages hold, now."""
    clock_tick.sync_all(_toolbox())


@backups.command()
def doctor() -> None:
    """Look for what is wrong with the set-up; each missing privilege is named with its call."""
    worst = 0
    for finding in examine(_toolbox()):
        click.echo(f"{finding.level}: {finding.text}")
        worst = max(worst, finding.level == "error")
    if worst:
        raise SystemExit(1)


@backups.command()
def status() -> None:
    """Print what runs and waits, and when the parts last gave a sign, as one JSON object."""
    with _toolbox().database.open() as session:
        states = session.execute(select(Operation.state, func.count()).group_by(Operation.state)).all()
        beats = session.execute(select(Chore.name, Chore.last_run_at).where(Chore.last_run_at.is_not(None))).all()
        found = {
            "operations": {state: count for state, count in states},  # noqa: C416 - rows are not pairs to mypy
            "services": session.scalar(select(func.count()).select_from(Service)),
            "servers": session.scalar(select(func.count()).select_from(Server)),
            "last": {name: at.isoformat() for name, at in beats if at},
            "health": {part.name: part.level for part in heartbeats.components(session)},
        }
    click.echo(json.dumps(found, indent=1, sort_keys=True))


@backups.group()
def keys() -> None:
    """The keys that encrypt token secrets at rest."""


@keys.command()
def new() -> None:
    """Print a new key for PUQ_BACKUPS_KEYS."""
    click.echo(Fernet.generate_key().decode())


@keys.command()
@with_appcontext
def rotate() -> None:
    """Encrypt each stored secret with the newest key."""
    context = _toolbox()
    try:
        count = rotate_secrets(context)
    except SettingError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{count} secrets are now encrypted with the newest key.")


@backups.group()
def db() -> None:
    """Our own tables."""


@db.command()
@with_appcontext
def upgrade() -> None:
    """Bring our tables to this version's form."""
    running.upgrade(_toolbox().database.engine)


@db.command()
@with_appcontext
def current() -> None:
    """Print the version our tables are at."""
    click.echo(running.current(_toolbox().database.engine) or "none")
