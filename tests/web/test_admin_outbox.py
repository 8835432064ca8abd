"""Staff's page of the outbox: filters, sending again, giving up."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event
from support import services
from support import world as worlds

from puq_backups.mail import delivery
from puq_backups.models import Mail

from .client_pages import visible_text
from .email_helpers import PREFIX, get, outbox, post, rows


@pytest.mark.flow
def test_outbox_is_filtered_and_paged_by_the_database(mailing: worlds.World, staff: FlaskClient) -> None:
    outbox(mailing, 120, state="sent", error="")
    outbox(mailing, 3)
    asked: list[str] = []
    event.listen(
        mailing.context.database.engine, "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: asked.append(statement),
    )  # fmt: skip

    assert get(staff, "/outbox?state=failed").text.count("alice@example.org") == 3
    assert len(asked) <= 3
    seen, path = [], "/outbox?state=sent"
    while path:
        page = get(staff, path).text
        seen += re.findall(r'/outbox/(\w{32})"', page)
        older = re.search(rf'rel="next" href="{PREFIX}([^"]+)"', page)
        path = unescape(older[1]) if older else ""
    assert (len(seen), len(set(seen))) == (120, 120)
    assert get(staff, "/outbox?state=nonsense&before=nonsense").status_code == 200


def test_failed_mail_is_sent_again_to_the_address_of_today_or_given_up(
    mailing: worlds.World, staff: FlaskClient, mailbox: services.Mailbox
) -> None:
    first, second = outbox(mailing, 2, recipient="old@example.org")
    page = f"/outbox/{first.id}"
    assert "SMTPDataError: (554, b'no')" in visible_text(get(staff, page))

    assert post(staff, f"{page}/again", page).status_code == 303
    assert post(staff, f"/outbox/{second.id}/give-up", page).status_code == 303
    assert delivery.send_due(mailing.context) == 1

    assert [mail["To"] for mail in mailbox] == ["alice@example.org"]
    assert sorted(mail.state for mail in rows(mailing, Mail)) == ["dropped", "sent"]
    assert "A backup of your server web100" in visible_text(get(staff, page))
    refused = post(staff, f"{page}/again")
    assert refused.status_code == 409
    assert "This mail has moved on meanwhile." in visible_text(refused)


def test_mail_on_its_way_can_be_neither_sent_again_nor_given_up(mailing: worlds.World, staff: FlaskClient) -> None:
    [mail] = outbox(mailing, state="sending", error="")

    for what in ("again", "give-up"):
        assert post(staff, f"/outbox/{mail.id}/{what}").status_code == 409
    assert [one.state for one in rows(mailing, Mail)] == ["sending"]
