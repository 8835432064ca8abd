"""`flask backups init`: prints what the set-up lacks, in order, each with the lines to paste."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import click
from cryptography.fernet import Fernet
from flask import current_app
from flask.cli import ScriptInfo

from ..config import PREFIX
from ..errors import SettingError
from ..staff import import_list
from ..staff.setup_steps import MISSING, NOTE, OK, SETTINGS, UNKNOWN, SetupStep, setup_steps
from . import startup
from .import_command import FILE

MARKS = {OK: "ok", NOTE: "note", MISSING: "MISSING", UNKNOWN: "later"}
NOT_MOUNTED = "puq-backups is not mounted: add this where your application is made; README.md has BillingHost."
NO_KEY = "Your application has no secret key, which forms need. Set it in app.config, one for all processes:"
MOUNT = ("backups.init_app(app, db=db, host=BillingHost())",)


@click.option("--params", "file", type=FILE, help="JSON file with params of CreateAccount: its Proxmox is checked.")
@click.pass_context
def init(ctx: click.Context, file: Path | None) -> None:
    """Print what is missing for backups to run, in order, each with the line to paste."""
    params = import_list.read_common(file)
    info = ctx.ensure_object(ScriptInfo)
    flask = f"flask --app {info.app_import_path}" if info.app_import_path else "flask"
    blocked = False
    for step in _steps(info, params):
        blocked = blocked or step.level in {MISSING, UNKNOWN}
        click.echo(f"{MARKS[step.level]:8}{step.name}: {step.text.replace('{flask}', flask)}")
        for line in step.lines:
            click.echo(f"            {line.replace('{flask}', flask)}")
    if blocked:
        raise SystemExit(1)
    click.echo("ready")


def _steps(info: ScriptInfo, params: import_list.Params) -> Iterator[SetupStep]:
    """Yield the steps, beginning with those without which the application does not start."""
    try:
        app = info.load_app()
        with app.app_context():
            found = current_app.extensions.get("puq_backups")
            if found is None:
                yield SetupStep("mount", MISSING, NOT_MOUNTED, MOUNT)
                return
            yield SetupStep("keys", OK, "PUQ_BACKUPS_KEYS is set.")
            if not app.secret_key:
                yield SetupStep("sessions", MISSING, NO_KEY, (f"SECRET_KEY={secrets.token_urlsafe(32)}",))
            yield from setup_steps(found.context, params)
    except SettingError as error:
        yield _setting(error)
    except Exception as error:
        text = startup.explain(error)
        if not text:
            raise
        yield SetupStep("database", MISSING, text, SETTINGS["database"])


def _setting(error: SettingError) -> SetupStep:
    """Return the step of a setting, or of the host, that init_app refused; for the keys with a new key to paste."""
    name = f"{PREFIX}KEYS"
    if re.match(rf"{name}\b", str(error)):
        text = f"{error} A new one, to be kept where the database's backups are not:"
        return SetupStep("keys", MISSING, text, (f"{name}={Fernet.generate_key().decode()}",))
    return SetupStep("settings", MISSING, str(error))
