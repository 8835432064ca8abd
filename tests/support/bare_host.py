"""A host application without Proxmox: for what is asked of commands, pages' addresses and tables alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import NullPool
from support.databases import make_tables
from support.host_app import HostApp, HostDatabase

from puq_backups import Actor, Backups

KEY = Fernet.generate_key().decode()


@dataclass
class Host:
    """`actor` is who is signed in: nobody, unless one is given."""

    actor: Actor | None = None

    def current_actor(self) -> Actor | None:
        return self.actor

    def service_url(self, service_id: str) -> str:
        return f"http://127.0.0.1/services/{service_id}"


def mount(
    database_url: str, *, tables: bool = True, host: Host | None = None, pooled: bool = False, **settings: Any
) -> tuple[Flask, Backups]:
    """A host application that mounts us; `settings` by their names without PUQ_BACKUPS_.

    `pooled` keeps connections as a real host does. Default: none, so that nothing stays open when a test ends.
    """
    app, db, backups = HostApp("host"), HostDatabase(), Backups()
    app.testing = True
    given = {"keys": [KEY], "redis_url": "unix:///nowhere/redis", **settings}
    app.config.update(
        SECRET_KEY="test",
        SQLALCHEMY_DATABASE_URI=database_url,
        SQLALCHEMY_ENGINE_OPTIONS={} if pooled else {"poolclass": NullPool},
        **{f"PUQ_BACKUPS_{name.upper()}": value for name, value in given.items()},
    )
    db.init_app(app)
    backups.init_app(app, db=db, host=host or Host())
    if tables:
        make_tables(backups.context.database.engine)
    return app, backups
