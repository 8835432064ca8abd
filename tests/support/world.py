"""A small world for tests: a host application, its database, a simulated Proxmox, and three clients.

Alice has the service "1" (VM 100), Bob the service "2" (VM 101); Charlie has none and may see nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select
from support.databases import make_tables
from support.host_app import HostApp, HostDatabase
from support.waiting import PATIENCE

from puq_backups import Actor, Backups
from puq_backups.context import Context
from puq_backups.models import Backup, Operation, Server, Service
from puq_backups.operations import dispatch, engine, queue
from puq_backups.pve.client import Proxmox
from puq_backups.rules.package import OPTIONS
from puq_backups.simulator import Simulator
from puq_backups.whmcs.callers import HOST_FUNCTIONS

ALICE = Actor(client_id="alice", name="Alice", timezone="UTC")
BOB = Actor(client_id="bob", name="Bob")
CHARLIE = Actor(client_id="charlie", name="Charlie")
STAFF = Actor(is_staff=True, name="Steve")
KEY = Fernet.generate_key().decode()
QUICK = {"poll": 0.02, "settle": 0.5, "shutdown_timeout": 5, "bin_hours": 0}


@dataclass
class Host:
    """The billing application: `actor` is who is signed in."""

    actor: Actor | None = None

    def current_actor(self) -> Actor | None:
        return self.actor

    def service_url(self, service_id: str) -> str:
        return f"http://127.0.0.1/services/{service_id}"


@dataclass
class ListingHost(Host):
    """A host that lists its services, by their ids with their params."""

    listed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def service_ids(self) -> list[str]:
        return list(self.listed)

    def service_params(self, service_id: str) -> dict[str, Any]:
        return self.listed.get(service_id, {})


@dataclass
class World:
    """Everything a test may look at."""

    app: Flask
    backups: Backups
    host: Host
    proxmox: Simulator
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def client(self) -> Proxmox:
        """A client of the simulated Proxmox, of the service's own token."""
        with self.context.database.open() as session:
            return self.context.connect(session.scalars(select(Server)).one())

    @property
    def context(self) -> Context:
        return self.backups.context

    def params(self, service_id: str = "1", vmid: int = 100, client: str = "alice", **package: Any) -> dict[str, Any]:
        """The params of a service; `package` gives product settings by our names (`backups=3`)."""
        # The documented minimal role, on a privilege-separated token.
        token_id, secret = self.proxmox.tokens["panel"]
        positions = {name: number for number, (_, name) in enumerate(OPTIONS, 1)}
        settings = {"backups": 3, "storage": "local", **package}
        return {
            "serviceid": service_id, "userid": client, "domain": f"{client}.example",
            "serverhostname": self.proxmox.host, "serverport": self.proxmox.port, "serverusername": token_id,
            "serverpassword": secret, "serversecure": True, "serveraccesshash": self.proxmox.fingerprint,
            "customfields": {"vmid": vmid}, "configoptions": {},
            "clientsdetails": {
                "firstname": client.title(), "lastname": "Example", "email": f"{client}@example.org",
                "language": "en",
            },
            **{f"configoption{positions[name]}": value for name, value in settings.items()},
        }  # fmt: skip

    def register(self, service_id: str = "1", vmid: int = 100, client: str = "alice", **package: Any) -> None:
        answer = self.backups.call("CreateAccount", self.params(service_id, vmid, client, **package))
        assert answer == "success", answer

    def call(self, name: str, service_id: str = "1", **params: Any) -> Any:
        """Call a module function as the host does it for who is signed in."""
        actor = None if name in HOST_FUNCTIONS else self.host.actor
        return self.backups.call(name, {"serviceid": service_id, **params}, actor=actor)

    def drain(self) -> None:
        """Do by hand what worker and doorbell do, until no operation runs or may start."""
        give_up = time.monotonic() + PATIENCE
        due: list[str] = []
        while time.monotonic() < give_up:
            before = due
            with self.context.database.open() as session:
                due = [one.id for one in queue.due(session)]
            if not due or due == before:
                dispatch.start_waiting(self.context)
                with self.context.database.open() as session:
                    due = list(session.scalars(select(Operation.id).where(Operation.state.in_(("running", "stuck")))))
                    if queue.next_wake(session) is None:
                        return
                time.sleep(0.01)
            for operation_id in due:
                engine.run(self.context, operation_id)
        raise AssertionError(f"still not quiet after {PATIENCE} s: {[vars(one) for one in self.operations()]}")

    def back_up(self, note: str = "", service_id: str = "1") -> Backup:
        """A finished manual backup."""
        answer = self.call("BackupNow", service_id, note=note)
        assert answer == "success", answer
        self.drain()
        operation = self.operations(service_id)[-1]
        assert operation.state == "done", (operation.state, operation.why)
        return next(backup for backup in self.held(service_id) if backup.id == operation.backup_id)

    def service(self, service_id: str = "1") -> Service:
        with self.context.database.open() as session:
            return session.get_one(Service, service_id)

    def operations(self, service_id: str = "1") -> list[Operation]:
        with self.context.database.open() as session:
            found = select(Operation).where(Operation.service_id == service_id).order_by(Operation.created_at)
            return list(session.scalars(found))

    def held(self, service_id: str = "1") -> list[Backup]:
        """The service's backups, oldest first."""
        with self.context.database.open() as session:
            rows = select(Backup).where(Backup.service_id == service_id, Backup.removed_at.is_(None))
            return list(session.scalars(rows.order_by(Backup.created_at)))


def make(proxmox: Simulator, database_url: str, redis_url: str, host: Host | None = None, **settings: Any) -> World:
    """A host application that mounts us, with our tables made by our migrations; without a bin unless asked for."""
    app = HostApp("host")
    app.testing = True
    app.config.update(
        SECRET_KEY="test", SQLALCHEMY_DATABASE_URI=database_url, PUQ_BACKUPS_KEYS=[KEY],
        PUQ_BACKUPS_REDIS_URL=redis_url,
        **{f"PUQ_BACKUPS_{name.upper()}": value for name, value in (QUICK | settings).items()},
    )  # fmt: skip
    db, host, backups = HostDatabase(), host or Host(), Backups()
    db.init_app(app)
    backups.init_app(app, db=db, host=host)
    make_tables(backups.context.database.engine)
    return World(app, backups, host, proxmox)


@contextmanager
def registered(
    proxmox: Simulator, database_url: str, redis_url: str, host: Host | None = None, **settings: Any
) -> Iterator[World]:
    """The world of `make` with Alice's service "1" on VM 100, and its connections closed at the end."""
    found = make(proxmox, database_url, redis_url, host, **settings)
    found.register()
    try:
        yield found
    finally:
        found.context.database.engine.dispose()
