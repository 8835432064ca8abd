"""Nobody but staff reaches the pages of the mails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient
from support import services
from support import world as worlds
from support.world import ALICE, STAFF

from puq_backups.models import EmailTemplate, Mail
from puq_backups.simulator import Simulator

from .emails_helpers import EDIT, PREFIX, get, outbox, rows


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox) -> Iterator[worlds.World]:
    """Alice has the service "1"; staff is signed in."""
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="backups@provider.example",
        staff_email="staff@provider.example",
    )  # fmt: skip
    found.register()
    found.host.actor = STAFF
    yield found
    found.context.database.engine.dispose()


@pytest.fixture
def browser(world: worlds.World) -> FlaskClient:
    return world.app.test_client()


PATHS = (
    "/emails", EDIT, EDIT + "/preview", "/outbox", "/outbox/{mail}", EDIT + "/restore", EDIT + "/switch",
    EDIT + "/test", "/outbox/{mail}/again", "/outbox/{mail}/give-up",
)  # fmt: skip


def test_nobody_but_staff_sees_a_mail_or_does_a_thing(world: worlds.World, browser: FlaskClient) -> None:
    [mail] = outbox(world)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', get(browser, EDIT).text)[0]
    for actor in (ALICE, None):
        world.host.actor = actor
        for path in PATHS:
            address = PREFIX + path.format(mail=mail.id)
            # 405 is Flask's own: the address has no page, or no form, whoever asks.
            assert browser.get(address).status_code in {404, 405}
            assert browser.post(address, data={"csrf_token": token, "subject": "x"}).status_code in {404, 405}
    assert rows(world, EmailTemplate) == []
    assert [one.state for one in rows(world, Mail)] == ["failed"]


def test_no_form_is_taken_without_its_token(world: worlds.World, browser: FlaskClient) -> None:
    [mail] = outbox(world)
    for path in (EDIT, EDIT + "/preview", *PATHS[5:]):
        assert browser.post(PREFIX + path.format(mail=mail.id), data={"subject": "x"}).status_code == 400
    assert rows(world, EmailTemplate) == []
    assert [one.state for one in rows(world, Mail)] == ["failed"]


def test_text_typed_under_an_expired_token_is_not_lost(browser: FlaskClient) -> None:
    text = "Dear {{ client_name }},\n<b>it took me hours to write this</b>"

    answer = browser.post(PREFIX + EDIT, data={"text": text, "csrf_token": "expired"})

    assert answer.status_code == 400
    assert text in unescape(answer.text)
    assert "<b>it" not in answer.text


def test_what_is_not_there_is_not_found(browser: FlaskClient) -> None:
    for path in ("/emails/nonsense", "/emails/nonsense/preview", "/outbox/nonsense", "/outbox/%00"):
        assert get(browser, path).status_code == 404
