"""Nobody but staff reaches the pages of the mails."""

from __future__ import annotations

import re
from html import unescape

from flask.testing import FlaskClient
from support import world as worlds
from support.world import ALICE

from puq_backups.models import EmailTemplate, Mail

from .email_helpers import EDIT, PREFIX, get, outbox, rows

PATHS = (
    "/emails", EDIT, EDIT + "/preview", "/outbox", "/outbox/{mail}", EDIT + "/restore", EDIT + "/switch",
    EDIT + "/test", "/outbox/{mail}/again", "/outbox/{mail}/give-up",
)  # fmt: skip


def test_nobody_but_staff_sees_a_mail_or_does_a_thing(mailing: worlds.World, staff: FlaskClient) -> None:
    [mail] = outbox(mailing)
    token = re.findall(r'name="csrf_token" value="([^"]+)"', get(staff, EDIT).text)[0]
    for actor in (ALICE, None):
        mailing.host.actor = actor
        for path in PATHS:
            address = PREFIX + path.format(mail=mail.id)
            # 405 is Flask's own: the address has no page, or no form, whoever asks.
            assert staff.get(address).status_code in {404, 405}
            assert staff.post(address, data={"csrf_token": token, "subject": "x"}).status_code in {404, 405}
    assert rows(mailing, EmailTemplate) == []
    assert [one.state for one in rows(mailing, Mail)] == ["failed"]


def test_no_form_is_taken_without_its_token(mailing: worlds.World, staff: FlaskClient) -> None:
    [mail] = outbox(mailing)
    for path in (EDIT, EDIT + "/preview", *PATHS[5:]):
        assert staff.post(PREFIX + path.format(mail=mail.id), data={"subject": "x"}).status_code == 400
    assert rows(mailing, EmailTemplate) == []
    assert [one.state for one in rows(mailing, Mail)] == ["failed"]


def test_text_typed_under_an_expired_token_is_not_lost(staff: FlaskClient) -> None:
    text = "Dear {{ client_name }},\n<b>it took me hours to write this</b>"

    answer = staff.post(PREFIX + EDIT, data={"text": text, "csrf_token": "expired"})

    assert answer.status_code == 400
    assert text in unescape(answer.text)
    assert "<b>it" not in answer.text


def test_what_is_not_there_is_not_found(staff: FlaskClient) -> None:
    for path in ("/emails/nonsense", "/emails/nonsense/preview", "/outbox/nonsense", "/outbox/%00"):
        assert get(staff, path).status_code == 404
