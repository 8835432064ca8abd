"""A browser without a browser: Flask's test client at the pages, and the simulated Proxmox behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from support import services
from support import world as worlds
from werkzeug.test import TestResponse

from puq_backups import Actor
from puq_backups.simulator import Simulator


@dataclass
class Door:
    """The pages of a service, as one who is signed in sees them. Forms carry the token unless `token` is None."""

    world: worlds.World
    client: FlaskClient
    service_id: str = "1"

    def get(self, path: str = "/", actor: Actor | None = worlds.ALICE, **more: Any) -> TestResponse:
        self.world.host.actor = actor
        return self.client.get(f"/services/{self.service_id}/backups{path}", **more)

    def post(
        self, path: str, form: dict[str, Any] | None = None, actor: Actor | None = worlds.ALICE,
        token: str | None = "", headers: dict[str, str] | None = None,
    ) -> TestResponse:  # fmt: skip
        fields = dict(form or {})
        if token is not None:
            fields["csrf_token"] = token or self.token()
        self.world.host.actor = actor
        return self.client.post(f"/services/{self.service_id}/backups{path}", data=fields, headers=headers)

    def token(self) -> str:
        """The token of Alice's page; it belongs to the browser's session, whoever is signed in."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get().text)
        assert found
        return found[1]

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/state").get_json()
        return answer


def said(answer: TestResponse) -> str:
    """The words of a page, as a reader sees them."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice has the service "1" on VM 100, Bob the service "2" on VM 101."""
    found = worlds.make(proxmox, database_url, redis_url)
    found.register()
    found.register("2", 101, "bob", storage="nfs")
    yield found
    found.context.database.engine.dispose()


@pytest.fixture
def door(world: worlds.World) -> Door:
    return Door(world, world.app.test_client())


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
