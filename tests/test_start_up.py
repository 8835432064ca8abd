"""An application that does not start is told why in one sentence that names what to mend, without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo
from flask_sqlalchemy import SQLAlchemy
from support import world as worlds
from support.bare_host import Host

from puq_backups import Backups, SettingError


def test_driver_that_the_hosts_module_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flask answers an import that fails with a text that holds the traceback."""
    (tmp_path / "lacking.py").write_text("raise ModuleNotFoundError(name='pymysql')")
    monkeypatch.syspath_prepend(tmp_path)

    for command, said in (("init", "MISSING database: "), ("tick", "Error: ")):
        found = CliRunner().invoke(FlaskGroup(), ["backups", command], obj=ScriptInfo(app_import_path="lacking"))
        assert found.exit_code == 1
        assert found.output.startswith(f"{said}SQLALCHEMY_DATABASE_URI asks for the driver pymysql"), found.output


def test_db_that_knows_nothing_of_the_application_is_named(sqlite_url: str) -> None:
    app = Flask("forgetful")
    app.config.update(SECRET_KEY="x", PUQ_BACKUPS_KEYS=worlds.KEY, SQLALCHEMY_DATABASE_URI=sqlite_url)
    Backups().init_app(app, db=SQLAlchemy(), host=Host())

    for command, said in (("init", "MISSING database: The db that"), ("tick", "Error: The db that")):
        found = CliRunner().invoke(FlaskGroup(), ["backups", command], obj=ScriptInfo(create_app=lambda: app))
        assert f"{said} init_app got has no engine: The current Flask app is not registered" in found.output


def test_host_that_is_a_class_is_refused() -> None:
    with pytest.raises(SettingError, match=r"^host=Host is a class: give an object of it, Host\(\)\.$"):
        Backups().init_app(Flask("classy"), db=SQLAlchemy(), host=Host)  # type: ignore[arg-type]  # that is the mistake
