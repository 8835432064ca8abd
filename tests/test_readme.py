"""The README's mount works word for word: with Flask-Login, in requests, scripts and jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, login_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import NullPool
from support import world as worlds
from support.services import ROOT

from puq_backups import Backups
from puq_backups.migrations import running
from puq_backups.models import Operation
from puq_backups.simulator import Simulator

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
[MOUNT] = [block for block in BLOCKS if "init_app" in block]
[CHECKOUT] = [block for block in BLOCKS if "CreateAccount" in block]
[WEBHOOK] = [block for block in BLOCKS if "BackupNow" in block]


class User(UserMixin):
    """A user of the host, as Flask-Login knows one."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.name = name.title()


@pytest.fixture
def mounted(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[dict[str, Any]]:
    """The names of a host whose file holds the README's blocks."""
    app, db = Flask("host"), SQLAlchemy()
    app.testing = True
    app.config.update(
        SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=sqlite_url, PUQ_BACKUPS_KEYS=[worlds.KEY],
        PUQ_BACKUPS_REDIS_URL=redis_url, SQLALCHEMY_ENGINE_OPTIONS={"poolclass": NullPool},
    )  # fmt: skip
    db.init_app(app)
    LoginManager(app).user_loader(User)
    app.add_url_rule("/sign-in/<name>", "sign_in", lambda name: str(login_user(User(name))))
    names: dict[str, Any] = {"app": app, "db": db, "service_id": "1", "client_id": "alice"}
    exec(MOUNT, names)  # noqa: S102 - our own page
    names["params"] = worlds.World(app, names["backups"], worlds.Host(), proxmox).params()
    running.upgrade(names["backups"].context.database.engine)
    yield names
    names["backups"].context.database.engine.dispose()


def operations(backups: Backups) -> list[str]:
    with backups.context.database.open() as session:
        return [operation.actor for operation in session.query(Operation).order_by(Operation.created_at)]


def test_checkout_registers_whoever_is_signed_in(mounted: dict[str, Any]) -> None:
    app, backups = mounted["app"], mounted["backups"]
    app.add_url_rule("/checkout", "checkout", lambda: exec(CHECKOUT, mounted) or "done")  # noqa: S102 - our own page

    for visitor in (None, "alice", "bob"):
        client = app.test_client()
        if visitor:
            client.get(f"/sign-in/{visitor}")
        assert client.get("/checkout").text == "done"
    with backups.context.database.open() as session:
        assert session.get(worlds.Service, "1").status == "active"


def test_route_without_a_login_makes_no_backup_and_a_webhook_names_the_actor(mounted: dict[str, Any]) -> None:
    app, backups = mounted["app"], mounted["backups"]
    backups.call("CreateAccount", mounted["params"])
    app.add_url_rule("/open", "open", lambda: backups.call("BackupNow", {"serviceid": "1"}))
    app.add_url_rule("/webhook", "webhook", lambda: exec(WEBHOOK, mounted) or "done")  # noqa: S102 - our own page

    assert app.test_client().get("/open").text == "Nobody is signed in."
    assert operations(backups) == []
    assert app.test_client().get("/webhook").text == "done"
    assert operations(backups) == ["client alice"]


@pytest.mark.flow
def test_page_is_for_the_signed_in_client(mounted: dict[str, Any]) -> None:
    mounted["backups"].call("CreateAccount", mounted["params"])
    for visitor, status in ((None, 404), ("alice", 200), ("bob", 404)):
        client = mounted["app"].test_client()
        if visitor:
            client.get(f"/sign-in/{visitor}")
        assert client.get("/services/1/backups/").status_code == status


@pytest.mark.parametrize("pushed", [True, False])
def test_script_cron_and_job_are_the_system(mounted: dict[str, Any], *, pushed: bool) -> None:
    backups = mounted["backups"]
    backups.call("CreateAccount", mounted["params"])
    if pushed:
        with mounted["app"].app_context():
            answer = backups.call("BackupNow", {"serviceid": "1"})
    else:
        answer = backups.call("BackupNow", {"serviceid": "1"})

    assert (answer, operations(backups)) == ("success", ["staff (system)"])
