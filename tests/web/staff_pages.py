"""Requests to the staff pages through Flask's test client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from support import world as worlds
from werkzeug.test import TestResponse

from .client_pages import visible_text


@dataclass
class StaffPages:
    """Requests to the staff pages as the staff member Steve. Forms carry the CSRF token."""

    world: worlds.World
    client: FlaskClient

    def get(self, path: str = "/", **query: Any) -> TestResponse:
        self.world.host.actor = worlds.STAFF
        return self.client.get(f"/admin/backups{path}", query_string=query)

    def post(self, path: str, **form: Any) -> TestResponse:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/services/1/").text)
        assert token
        return self.client.post(f"/admin/backups{path}", data={**form, "csrf_token": token[1]})

    def read(self, path: str = "/", **query: Any) -> str:
        """The visible text of a page; fails unless the page answers 200."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, (path, answer.status_code)
        return visible_text(answer)
