"""Requests to staff's pages of mails with the CSRF token, and rows of the outbox."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from support import world as worlds
from werkzeug.test import TestResponse

from puq_backups.mail import merge_values
from puq_backups.models import Mail, Service, new_id, now

PREFIX = "/admin/backups"

EDIT = "/emails/backup-failed"


def get(staff: FlaskClient, path: str) -> TestResponse:
    return staff.get(PREFIX + path)


def post(staff: FlaskClient, path: str, page: str = EDIT, **form: Any) -> TestResponse:
    """Send a form of a page with the token and whatever else the page hides in it."""
    html = get(staff, page).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
    return staff.post(PREFIX + path, data={**{name: unescape(value) for name, value in hidden.items()}, **form})


def rows(world: worlds.World, model: Any) -> list[Any]:
    with world.context.database.open() as session:
        return list(session.scalars(select(model)))


def outbox(world: worlds.World, count: int = 1, **values: Any) -> list[Mail]:
    """Mails in the outbox, the newest first."""
    mails = []
    with world.context.database.begin() as session:
        about = merge_values.Records(session.get_one(Service, "1"))
        fields = merge_values.common_fields(session, world.context, about)
        for number in range(count):
            at = now() - timedelta(minutes=number)
            given = {
                "name": "Backup failed", "folder": "backup_failed", "recipient": "alice@example.org",
                "state": "failed", "error": "SMTPDataError: (554, b'no')", "attempts": 6, **values,
            }  # fmt: skip
            mails.append(
                Mail(id=new_id(), event=new_id(), service_id="1", fields=fields, created_at=at, wake_at=at, **given)
            )
        session.add_all(mails)
    return mails
