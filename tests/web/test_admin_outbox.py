"""Staff's page of the outbox: filters, sending again, giving up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event
from support import services
from support import world as worlds
from support.world import STAFF

from puq_backups.mail import delivery
from puq_backups.models import Mail
from puq_backups.simulator import Simulator

from .conftest import said
from .emails_helpers import PREFIX, get, outbox, post, rows


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


def test_outbox_is_filtered_and_paged_by_the_database(world: worlds.World, browser: FlaskClient) -> None:
    outbox(world, 120, state="sent", error="")
    outbox(world, 3)
    asked: list[str] = []
    event.listen(
        world.context.database.engine, "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: asked.append(statement),
    )  # fmt: skip

    assert get(browser, "/outbox?state=failed").text.count("alice@example.org") == 3
    assert len(asked) <= 3
    seen, path = [], "/outbox?state=sent"
    while path:
        page = get(browser, path).text
        seen += re.findall(r'/outbox/(\w{32})"', page)
        older = re.search(rf'rel="next" href="{PREFIX}([^"]+)"', page)
        path = unescape(older[1]) if older else ""
    assert (len(seen), len(set(seen))) == (120, 120)
    assert get(browser, "/outbox?state=nonsense&before=nonsense").status_code == 200


def test_failed_mail_is_sent_again_to_the_address_of_today_or_given_up(
    world: worlds.World, browser: FlaskClient, mailbox: services.Mailbox
) -> None:
    first, second = outbox(world, 2, recipient="old@example.org")
    page = f"/outbox/{first.id}"
    assert "SMTPDataError: (554, b'no')" in said(get(browser, page))

    assert post(browser, f"{page}/again", page).status_code == 303
    assert post(browser, f"/outbox/{second.id}/give-up", page).status_code == 303
    assert delivery.send_due(world.context) == 1

    assert [mail["To"] for mail in mailbox] == ["alice@example.org"]
    assert sorted(mail.state for mail in rows(world, Mail)) == ["dropped", "sent"]
    assert "A backup of your virtual machine web100" in said(get(browser, page))
    refused = post(browser, f"{page}/again")
    assert refused.status_code == 409
    assert "This mail has moved on meanwhile." in said(refused)


def test_mail_on_its_way_can_be_neither_sent_again_nor_given_up(world: worlds.World, browser: FlaskClient) -> None:
    [mail] = outbox(world, state="sending", error="")

    for what in ("again", "give-up"):
        assert post(browser, f"/outbox/{mail.id}/{what}").status_code == 409
    assert [one.state for one in rows(world, Mail)] == ["sending"]
