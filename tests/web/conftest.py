"""Fixtures for tests of the pages: Flask's test client as a client and as staff, with a simulated Proxmox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from support import services
from support import world as worlds

from puq_backups.simulator import Simulator

from .client_pages import ClientPages
from .staff_pages import StaffPages


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice has the service "1" on VM 100, Bob the service "2" on VM 101."""
    found = worlds.make(proxmox, database_url, redis_url)
    found.register()
    found.register("2", 101, "bob", storage="nfs")
    yield found
    found.context.database.engine.dispose()


@pytest.fixture
def pages(world: worlds.World) -> ClientPages:
    return ClientPages(world, world.app.test_client())


@pytest.fixture
def admin(world: worlds.World) -> StaffPages:
    return StaffPages(world, world.app.test_client())


@pytest.fixture
def mailing(
    proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox
) -> Iterator[worlds.World]:  # fmt: skip
    """A world that sends mails: Alice has the service "1"; staff is signed in."""
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="backups@provider.example",
        staff_email="staff@provider.example",
    )  # fmt: skip
    found.register()
    found.host.actor = worlds.STAFF
    yield found
    found.context.database.engine.dispose()


@pytest.fixture
def staff(mailing: worlds.World) -> FlaskClient:
    """Staff's browser in `mailing`."""
    return mailing.app.test_client()
