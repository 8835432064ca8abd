"""Staff at their pages, for the tests of this folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from support import world as worlds
from werkzeug.test import TestResponse

from .conftest import said


@dataclass
class Desk:
    """Steve's browser at the staff pages. Forms carry the token."""

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
        """The words of a page, which must be there."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, (path, answer.status_code)
        return said(answer)
