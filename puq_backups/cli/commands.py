"""The `flask backups …` commands."""

from __future__ import annotations

import importlib
import json
from functools import partial
from typing import Any

import click
from cryptography.fernet import Fernet
from flask import current_app
from flask.cli import AppGroup, NoAppException, ScriptInfo, with_appcontext
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from .. import jobs, logs
from ..accounts.servers import rotate_secrets
from ..clock import heartbeats, periodic, process, purge_history, purge_terminated
from ..clock.outage import describe
from ..context import Context
from ..errors import BackupsError
from ..migrations import running
from ..models import Chore, Operation, Server, Service
from ..staff import readiness
from ..staff.doctor import run_checks
from . import startup
from .import_command import import_services
from .init_command import init
from .progress import tracked


class Commands(AppGroup):
    """The command group. `simulate` is imported by name, so that the package does not depend on the simulator.

    Errors of the database and Redis end a command with one sentence instead of a traceback.
    """

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; errors of database, Redis and ours become a ClickException."""
        try:
            return super().invoke(ctx)
        except (SQLAlchemyError, RedisError, ImportError, RuntimeError, NoAppException) as error:
            if text := startup.explain(error):
                raise click.ClickException(text) from error
            if not isinstance(error, SQLAlchemyError | RedisError):
                raise
            # The command's application context is closed by now.
            with ctx.ensure_object(ScriptInfo).load_app().app_context():
                raise click.ClickException(describe(error, _context().database.engine)) from error
        except BackupsError as error:
            raise click.ClickException(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, sorted."""
        return sorted([*super().list_commands(ctx), "simulate"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name; None if there is none."""
        if cmd_name == "simulate":
            found: click.Command = importlib.import_module("puq_backups.simulator.cli").simulate
            return found
        return super().get_command(ctx, cmd_name)


backups = Commands("backups", help="Backups of virtual machines: worker, clock and maintenance.")


def _context() -> Context:
    found: Context = current_app.extensions["puq_backups"].context
    return found


# It also runs where the application does not start for want of a setting.
backups.command(with_appcontext=False)(init)
backups.add_command(import_services)


def _process_context() -> Context:
    """The context for a process that works by itself: its log lines are written even if logging is not configured."""
    context = _context()
    logs.configure(context.settings.log_format, process=True)
    return context


@backups.command()
def tick() -> None:
    """Run the time-driven work once. For system cron, every minute."""
    context = _process_context()
    # Hooks that fail are logged with their traceback; tables that are missing or out of reach need none.
    if not running.is_current(context.database.engine):
        raise click.ClickException(str(running.OUTDATED))
    if not _run_tick(context):
        raise click.ClickException("The tick failed; the log has the details.")


def _run_tick(context: Context) -> bool:
    context.hooks.run("PreCronJob")
    answers = context.hooks.run("AfterCronJob", context=context)
    counts = next((answer for answer in answers if isinstance(answer, dict) and "slots" in answer), None)
    # The hook has logged them.
    if counts is not None and context.settings.log_format != "json":
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    return counts is not None


@backups.command()
@click.option("--every", default=60, show_default=True, type=click.IntRange(min=1), help="Seconds between two ticks.")
def clock(every: int) -> None:
    """Run `tick` repeatedly as a process. Of several, the one that holds the lease ticks."""
    context = _process_context()
    process.run(context, every, partial(_run_tick, context))


@backups.command()
@click.option("--burst", is_flag=True, help="End when no operation runs or is due.")
def worker(burst: bool) -> None:
    """Run operations: serve the queue."""
    jobs.run_worker(_process_context(), burst=burst)


@backups.command()
def sync() -> None:
    """Compare our backups with the contents of the storages now."""
    count = periodic.sync_all(_context(), partial(tracked, label="Servers"))
    click.echo(f"Servers compared: {count}." if count else "No server is known yet.")


@backups.command()
def purge() -> None:
    """Delete old history, and create the removals that are due of terminated services: all of it, not in parts."""
    context = _context()
    made = purge_terminated.purge_due(context, partial(tracked, label="Terminated services"))
    deleted = purge_history.purge(context, tracked)
    click.echo(f"{made} removals of backups were created, {deleted} rows of history deleted.")


@backups.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def doctor(as_json: bool) -> None:
    """Check the set-up. Each missing privilege is named with the API call that needs it."""
    findings = []
    for finding in run_checks(_context()):
        findings.append({"level": finding.level, "text": str(finding.text)})
        if not as_json:
            click.echo(f"{finding.level}: {finding.text}")
    healthy = all(finding["level"] != "error" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": healthy, "findings": findings}, indent=1))
    if not healthy:
        raise SystemExit(1)


@backups.command()
@click.option("--check", is_flag=True, help="Exit with 1 if a part is in error.")
def status(check: bool) -> None:
    """Print operation counts, heartbeats and the state of each part as one JSON object."""
    context = _context()
    parts = {part.name: part for part in readiness.check_parts(context)}
    usable = parts["database"].level == parts["migrations"].level == "ok"
    found = _counts(context) if usable else {"health": {}}
    found["parts"] = {name: part.level for name, part in parts.items()}
    click.echo(json.dumps(found, indent=1, sort_keys=True))
    wrong = [f"{name}: {part.text}" for name, part in parts.items() if part.level == "error"]
    wrong += [f"{name}: error" for name, level in found["health"].items() if level == "error" and name not in parts]
    for line in wrong:
        click.echo(line, err=True)
    if wrong and (check or not usable):
        raise SystemExit(1)


def _counts(context: Context) -> dict[str, Any]:
    with context.database.open() as session:
        states = session.execute(select(Operation.state, func.count()).group_by(Operation.state)).all()
        beats = session.execute(select(Chore.name, Chore.last_run_at).where(Chore.last_run_at.is_not(None))).all()
        return {
            "operations": {state: count for state, count in states},  # noqa: C416 - mypy does not see rows as pairs
            "services": session.scalar(select(func.count()).select_from(Service)),
            "servers": session.scalar(select(func.count()).select_from(Server)),
            "last": {name: at.isoformat() for name, at in beats if at},
            "health": {part.name: part.level for part in heartbeats.components(session)},
        }


@backups.group()
def keys() -> None:
    """Keys that encrypt API token secrets in the database."""


@keys.command(with_appcontext=False)
def new() -> None:
    """Print a new key for PUQ_BACKUPS_KEYS."""
    click.echo(Fernet.generate_key().decode())


@keys.command()
@with_appcontext
def rotate() -> None:
    """Encrypt all stored secrets with the newest key."""
    context = _context()
    count = rotate_secrets(context, partial(tracked, label="Secrets"))
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
@click.argument("revision")
@click.confirmation_option(prompt="What the tables hold beyond that revision is lost. Go on?")
@with_appcontext
def downgrade(revision: str) -> None:
    """Take the tables back to a revision; `base` drops them."""
    running.downgrade(_context().database.engine, revision)


@db.command()
@with_appcontext
def current() -> None:
    """Print the current migration revision of the tables."""
    click.echo(running.current(_context().database.engine) or "none")
