"""The examples, started as a reader starts them: from the environment alone."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from support import databases
from support.services import ROOT

from puq_backups import Backups
from puq_backups.simulator import Simulator

ADDRESS = "https://my.example.com"


@dataclass
class Example:
    """An example's application: `name` is what `flask --app` gets, `paths` where the host mounted our pages."""

    name: str
    app: Flask
    page: str = "/services/1/backups/"
    staff: str = "/admin/backups/"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def backups(self) -> Backups:
        found: Backups = self.app.extensions["puq_backups"]
        return found

    def run(self, *args: str) -> str:
        """Run one of the application's commands in this process."""
        found = self.app.test_cli_runner().invoke(args=args)
        assert found.exit_code == 0, (args, found.output, found.exception)
        return found.output

    def shell(self, *args: str) -> str:
        """Run `flask --app … args` as a process."""
        command = [sys.executable, "-m", "flask", "--app", self.name, *args]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def prepare(self) -> None:
        """Make the tables, and a service of Alice's with backups."""
        self.run("backups", "db", "upgrade")
        self.run("order", "1", "alice", "100", "alice@example.org")

    def browser(self, who: str | None = None) -> FlaskClient:
        """A browser in which `who` is signed in."""
        client = self.app.test_client()
        client.environ_base.update({f"HTTP_{name.upper().replace('-', '_')}": v for name, v in self.headers.items()})
        if who:
            client.get(f"/sign-in/{who}")
        return client


def token(html: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found, html
    return found[1]


def load(module: str, factory: str = "create_app") -> Flask:
    """The application of an example, from a fresh import: each test has a process's worth of its objects."""
    for name in [name for name in sys.modules if name == "examples" or name.startswith("examples.")]:
        del sys.modules[name]
    app: Flask = getattr(importlib.import_module(module), factory)()
    return app


@pytest.fixture
def environment(
    proxmox: Simulator, redis_url: str, mailbox: Any, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> Iterator[None]:
    """The environment variables of every example."""
    token_id, secret = proxmox.tokens["panel"]
    values = {
        "SECRET_KEY": "test", "ADDRESS": ADDRESS, "DATABASE_URL": database_url,
        "PUQ_BACKUPS_KEYS": Fernet.generate_key().decode(), "PUQ_BACKUPS_REDIS_URL": redis_url,
        "PUQ_BACKUPS_SMTP_URL": mailbox.url, "PUQ_BACKUPS_MAIL_FROM": "shop@example.com",
        "PUQ_BACKUPS_POLL": "0.1", "PUQ_BACKUPS_SETTLE": "0.5", "PUQ_BACKUPS_SHUTDOWN_TIMEOUT": "5",
        "PROXMOX_HOST": proxmox.host, "PROXMOX_PORT": str(proxmox.port), "PROXMOX_TOKEN": token_id,
        "PROXMOX_SECRET": secret, "PROXMOX_FINGERPRINT": proxmox.fingerprint,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    yield
    for name in [name for name in os.environ if name.startswith("NORTH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def compiled() -> None:
    """The shop's own translations, compiled as `pybabel compile` does."""
    source = ROOT / "examples" / "factory" / "translations" / "de" / "LC_MESSAGES" / "messages.po"
    with source.open("rb") as po, source.with_suffix(".mo").open("wb") as mo:
        write_mo(mo, read_po(po))


def tables_in(versions: Path) -> str:
    """What the generated migrations of a host say."""
    return "\n".join(path.read_text() for path in versions.glob("*.py"))


def sqlite(folder: Path) -> str:
    return databases.sqlite_file(folder)
