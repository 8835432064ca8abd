"""A host application without Proxmox: for what is asked of commands, pages' addresses and tables alone."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import NullPool
from support.databases import make_tables
from support.host_app import HostApp, HostDatabase

from puq_backups import Actor, Backups

KEY = Fernet.generate_key().decode()


class Host:
    """Nobody is signed in."""

    def current_actor(self) -> Actor | None:
        return None

    def service_url(self, service_id: str) -> str:
        return f"http://127.0.0.1/services/{service_id}"


def mount(database_url: str, *, tables: bool = True, **settings: Any) -> tuple[Flask, Backups]:
    """A host application that mounts us; `settings` by their names without PUQ_BACKUPS_."""
    app, db, backups = HostApp("host"), HostDatabase(), Backups()
    app.testing = True
    given = {"keys": [KEY], "redis_url": "unix:///nowhere/redis", **settings}
    app.config.update(
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI=database_url,
        # No pool: nothing stays open when the test ends.
        SQLALCHEMY_ENGINE_OPTIONS={"poolclass": NullPool},
        **{f"PUQ_BACKUPS_{name.upper()}": value for name, value in given.items()},
    )
    db.init_app(app)
    backups.init_app(app, db=db, host=Host())
    if tables:
        make_tables(backups.context.database.engine)
    return app, backups
