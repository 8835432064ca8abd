"""Requests to the client's pages through Flask's test client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from support import world as worlds
from werkzeug.test import TestResponse

from puq_backups import Actor
from puq_backups.models import now

LATER = f"{now() + timedelta(days=2):%w}"
SCHEDULE = {f"day_{LATER}": "1"} | {f"time_{day}": "03:00" for day in range(7)} | {"timezone": "UTC"}
"""A schedule of one day, in two days at 03:00, so that no run is due during a test."""


@dataclass
class ClientPages:
    """Requests to the pages of one service, as `actor`. Forms carry the CSRF token unless `token` is None."""

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


def visible_text(answer: TestResponse) -> str:
    """The text of a page without its tags, white space made one space."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))
