"""`flask backups init` leads a host from an empty application to "ready", naming what is missing in order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import NullPool, delete
from support import world as worlds
from support.bare_host import Host
from support.services import ROOT

from puq_backups import Backups
from puq_backups.models import Server, Service
from puq_backups.simulator import Simulator
from puq_backups.staff import setup_steps

pytestmark = pytest.mark.slow

SHOP = "shop:create_app"


class Shop:
    """A host application that is set up step by step: `config` is what its environment holds."""

    def __init__(self, database_url: str) -> None:
        self.config: dict[str, Any] = {"SQLALCHEMY_DATABASE_URI": database_url, "SECRET_KEY": "x"}
        self.backups = Backups()

    def create_app(self) -> Flask:
        app, db = Flask("shop"), SQLAlchemy()
        app.config.update(self.config, SQLALCHEMY_ENGINE_OPTIONS={"poolclass": NullPool})
        db.init_app(app)
        self.backups = Backups()
        self.backups.init_app(app, db=db, host=Host())
        return app

    def run(self, *args: str) -> tuple[int, list[str]]:
        """Run `flask backups …` as a shell does: the application is made by the command, if at all."""
        info = ScriptInfo(app_import_path=SHOP, create_app=self.create_app)
        found = CliRunner().invoke(FlaskGroup(), ["backups", *args], obj=info)
        assert not found.exception or isinstance(found.exception, SystemExit), found.exception
        return found.exit_code, found.output.splitlines()

    def missing(self) -> dict[str, list[str]]:
        """What `init` says is missing, each with the lines to paste."""
        code, lines = self.run("init")
        found: dict[str, list[str]] = {}
        for line in lines:
            if level := re.match(r"(ok|note|MISSING|later) +([a-z]+): \S", line):
                name = level[2] if level[1] == "MISSING" else ""
                found.setdefault(name, [])
            elif line.startswith("  "):
                found[name].append(line.strip())
        found.pop("", None)
        assert (code, lines[-1] == "ready") == ((1, False) if found else (0, True)), lines
        return found


def test_from_an_empty_application_to_ready(
    proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: Any
) -> None:
    shop = Shop(sqlite_url)

    [key] = shop.missing()["keys"]
    shop.config.update([key.split("=", 1)])
    shop.config["PUQ_BACKUPS_REDIS_URL"] = "redis://127.0.0.1:1/0"
    lacking = shop.missing()
    assert list(lacking) == ["database", "redis", "mail"]
    assert lacking["database"] == [f"flask --app {SHOP} backups db upgrade"]
    assert shop.run("db", "upgrade")[0] == 0
    assert lacking["redis"] == ["PUQ_BACKUPS_REDIS_URL=redis://127.0.0.1:6379/0"]
    shop.config["PUQ_BACKUPS_REDIS_URL"] = redis_url
    lacking = shop.missing()
    assert list(lacking) == ["mail", "worker", "clock"]
    pasted = dict(line.split("=", 1) for line in lacking["mail"])
    shop.config |= {**pasted, "PUQ_BACKUPS_SMTP_URL": mailbox.url}
    params = worlds.World(shop.create_app(), shop.backups, worlds.Host(), proxmox).params()
    assert shop.backups.call("CreateAccount", params) == "success"
    lacking = shop.missing()
    assert lacking == {
        "worker": [f"flask --app {SHOP} backups worker"], "clock": [f"flask --app {SHOP} backups clock"]
    }  # fmt: skip
    assert shop.run("worker", "--burst")[0] == shop.run("tick")[0] == 0
    assert shop.missing() == {}


@pytest.fixture
def shop(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Shop:
    """A shop with keys, tables, Redis and one service."""
    found = Shop(sqlite_url)
    found.config |= {"PUQ_BACKUPS_KEYS": Fernet.generate_key().decode(), "PUQ_BACKUPS_REDIS_URL": redis_url}
    found.run("db", "upgrade")
    params = worlds.World(found.create_app(), found.backups, worlds.Host(), proxmox).params()
    assert found.backups.call("CreateAccount", params) == "success"
    return found


def test_a_lacking_right_comes_with_the_lines_that_grant_it(shop: Shop, proxmox: Simulator) -> None:
    proxmox.control("acl", path="/", user="panel@pve!puq", role="Less", privileges=["VM.Audit", "Datastore.Audit"])
    proxmox.control("acl", path="/", user="panel@pve!puq", role="Panel", delete=True)

    lines = shop.missing()["proxmox"]

    assert "pveum role modify PuqBackups --append 1 --privs VM.Backup" in lines
    assert "pveum acl modify /vms --users 'panel@pve' --tokens 'panel@pve!puq' --roles PuqBackups" in lines


def test_proxmox_is_no_part_that_is_missing_before_the_first_service(shop: Shop) -> None:
    """A fresh installation knows no server: that is advice, with the lines and the command that checks one."""
    with shop.backups.context.database.begin() as session:
        session.execute(delete(Service))
        session.execute(delete(Server))

    lines = shop.run("init")[1]

    at = next(number for number, line in enumerate(lines) if line.startswith("note    proxmox: Not checked"))
    assert f"flask --app {SHOP} backups init --params FILE" in lines[at]
    shown = [line[12:] for line in lines[at + 1 : at + 1 + len(setup_steps.PROXMOX)]]
    assert shown == list(setup_steps.PROXMOX)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "ok      proxmox: {at} answers with version "),
        ({"customfields": {}}, "ok      proxmox: {at} answers with version "),
        ({"serverhostname": ""}, "MISSING proxmox: serverhostname is missing: the host name of the Proxmox node."),
        ({"serverpassword": "x"}, "MISSING proxmox: {at}: Proxmox refused the API token"),
        ({"serveraccesshash": "AA:" * 31 + "AA"}, "MISSING proxmox: {at}: The certificate of "),
        ({"configoption2": "nowhere"}, "MISSING proxmox: {at}: there is no storage nowhere."),
        ({"configoption2": "ceph"}, "MISSING proxmox: {at}: storage ceph is not set up to hold backups."),
        ({"configoption5": "two"}, "MISSING proxmox: CPU cores must be"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, dict) else "",
)
def test_a_proxmox_is_checked_before_the_first_service(
    shop: Shop, proxmox: Simulator, tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    params = worlds.World(shop.create_app(), shop.backups, worlds.Host(), proxmox).params() | wrong
    file = tmp_path / "server.json"
    file.write_text(json.dumps(params))

    lines = shop.run("init", "--params", str(file))[1]

    at = f"{params['serverhostname']}:{params['serverport']} ({params['serverusername']})"
    assert any(line.startswith(said.format(at=at)) for line in lines), lines


def test_database_that_does_not_answer_is_named_first(shop: Shop, tmp_path: Path) -> None:
    shop.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/nowhere/shop.sqlite"

    lacking = shop.missing()

    assert list(lacking) == ["database", "mail"]
    assert lacking["database"][0].startswith("SQLALCHEMY_DATABASE_URI=")


def test_wrong_setting_is_named(shop: Shop) -> None:
    shop.config["PUQ_BACKUPS_KEYSS"] = "x"

    said = "PUQ_BACKUPS_KEYSS is not a setting of puq-backups; did you mean PUQ_BACKUPS_KEYS?"
    assert shop.run("init") == (1, [f"MISSING settings: {said}"])
    assert f"Error: {said}" in shop.run("tick")[1]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres", "SQLALCHEMY_DATABASE_URI: Could not parse"),
        ("postgres://a@b/c", "SQLALCHEMY_DATABASE_URI: Can't load plugin"),
        ("mysql+mysqldb://a@b/c", "SQLALCHEMY_DATABASE_URI asks for the driver MySQLdb, which is not installed."),
    ],
)
def test_database_url_that_cannot_be_used_is_named(shop: Shop, url: str, said: str) -> None:
    """Flask-SQLAlchemy refuses it where the host's application is made, before we are asked."""
    shop.config["SQLALCHEMY_DATABASE_URI"] = url

    assert shop.run("init")[1][0].startswith(f"MISSING database: {said}")
    assert shop.run("tick")[1][0].startswith(f"Error: {said}")


def test_tick_says_without_a_traceback_what_is_out_of_reach(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/nowhere/shop.sqlite"
    away = shop.run("tick")
    shop.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/empty.sqlite"
    empty = shop.run("tick")

    reason = "The database at SQLALCHEMY_DATABASE_URI does not do its work: unable to open database file"
    assert away == (1, [f"Error: {reason}"])
    assert empty == (1, ["Error: The tables of puq-backups are not up to date: run `flask backups db upgrade`."])
    assert "Traceback" not in caplog.text


def test_application_that_does_not_mount_us_is_told_the_line(shop: Shop) -> None:
    found = CliRunner().invoke(FlaskGroup(), ["backups", "init"], obj=ScriptInfo(create_app=lambda: Flask("empty")))

    assert found.exit_code == 1
    assert "backups.init_app(app, db=db, host=BillingHost())" in found.output


def test_application_without_a_secret_key_is_told(shop: Shop) -> None:
    shop.config["SECRET_KEY"] = None

    [line] = shop.missing()["sessions"]

    assert re.fullmatch(r"SECRET_KEY=[\w-]{43}", line)


def test_new_key_needs_no_application() -> None:
    found = CliRunner().invoke(FlaskGroup(), ["backups", "keys", "new"], obj=ScriptInfo())

    assert (found.exit_code, len(Fernet(found.output.strip()).encrypt(b"x")) > 0) == (0, True)


def test_role_is_that_of_the_documentation() -> None:
    page = (ROOT / "docs" / "proxmox-access.md").read_text().replace("\\\n", "")

    for line in setup_steps.PROXMOX[:3]:
        assert line in page
