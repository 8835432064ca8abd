"""Staff's pages of the mails: texts in each language, previews, tests, and the outbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select
from support import services
from support import world as worlds
from support.world import ALICE, STAFF
from werkzeug.test import TestResponse

from puq_backups.mail import delivery, merge_values
from puq_backups.models import AuditEntry, EmailTemplate, Mail, Service, new_id, now
from puq_backups.simulator import Simulator

from .conftest import said

PREFIX = "/admin/backups"
EDIT = "/emails/backup-failed"


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


def get(browser: FlaskClient, path: str) -> TestResponse:
    return browser.get(PREFIX + path)


def post(browser: FlaskClient, path: str, page: str = EDIT, **form: Any) -> TestResponse:
    """Send a form of a page with the token and whatever else the page hides in it."""
    html = get(browser, page).text
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', html))
    return browser.post(PREFIX + path, data={**{name: unescape(value) for name, value in hidden.items()}, **form})


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


def test_all_mails_are_listed_with_what_was_changed(world: worlds.World, browser: FlaskClient) -> None:
    post(browser, EDIT, subject="Oh", locale="de")
    post(browser, EDIT + "/switch", disabled="1")

    page = said(get(browser, "/emails"))

    for email in world.backups.hooks.emails:
        assert email.name in page
    assert "Backup failed Client German Disabled" in page
    assert "Daily summary Staff Shipped On" in page


def test_text_is_saved_shown_and_restored(world: worlds.World, browser: FlaskClient) -> None:
    before = get(browser, EDIT).text
    assert "Dear {{ client_name }}," in before
    assert "This is the shipped text" in before

    answer = post(browser, EDIT, subject="Oh dear: {{ vm_name }}", text="Hi\r\n{{ client_name }}\r\n", html="")
    assert (answer.status_code, answer.location) == (303, PREFIX + EDIT)
    page = get(browser, EDIT).text
    assert "The text is saved." in page
    assert 'value="Oh dear: {{ vm_name }}"' in page
    assert "Last changed" in said(get(browser, EDIT))
    [row] = rows(world, EmailTemplate)
    assert (row.subject, row.text, row.html) == ("Oh dear: {{ vm_name }}", "Hi\n{{ client_name }}", "")
    assert row.changed_by == "staff (Steve)"

    assert post(browser, EDIT + "/restore").status_code == 303
    assert rows(world, EmailTemplate) == []
    assert [entry.text for entry in rows(world, AuditEntry) if entry.action == "email"] == [
        "the mail Backup failed (master) was changed", "the mail Backup failed (master) was restored",
    ]  # fmt: skip


def test_parts_left_as_they_were_stay_the_shipped_ones(world: worlds.World, browser: FlaskClient) -> None:
    html = get(browser, EDIT).text
    shipped = {
        part: unescape(re.findall(rf'<textarea[^>]* name="{part}"[^>]*>\n(.*?)</textarea>', html, re.DOTALL)[0])
        for part in ("text", "html")
    }
    post(browser, EDIT, subject="Ours", **{part: text.replace("\n", "\r\n") for part, text in shipped.items()})

    [row] = rows(world, EmailTemplate)
    assert (row.subject, row.text, row.html) == ("Ours", "", "")


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("subject", "{{ vm_nam }}", "Subject: Line 1: There is no merge field vm_nam."),
        ("subject", "{{ removal_date }}", "Subject: Line 1: There is no merge field removal_date."),
        ("text", "a\n{{ vm_name", "Plain text: Line 2: unexpected end of template"),
        ("html", "<p>\n\n{{ 'a' * 9999999 }}", "HTML: Line 3: * is for numbers only."),
        ("html", "{% for a in range(9) %}{% endfor %}", "HTML: Line 1: ( ) cannot be used here."),
        ("text", "x" * 50_000, "Plain text: It is longer than 48 KiB."),
        ("locale", "klingon", "There is no language klingon."),
    ],
)
def test_text_that_cannot_be_used_is_refused_and_nothing_typed_is_lost(
    world: worlds.World, browser: FlaskClient, field: str, typed: str, told: str
) -> None:
    answer = post(browser, EDIT, **{"subject": "Kept as typed", "text": "<kept>", "html": "kept", field: typed})

    assert answer.status_code == 400
    assert told in said(answer)
    assert "Nothing was changed." in said(answer)
    assert rows(world, EmailTemplate) == []
    for name, text in {"subject": "Kept as typed", "text": "<kept>", "html": "kept", field: typed}.items():
        assert name == "locale" or text in unescape(answer.text)
    if field != "locale":
        assert f'aria-describedby="puqb-{field}-error"' in answer.text


def test_text_that_somebody_else_changed_meanwhile_is_not_overwritten_unseen(
    world: worlds.World, browser: FlaskClient
) -> None:
    mine = post(browser, EDIT, subject="first", seen="")
    assert mine.status_code == 303

    refused = post(browser, EDIT, subject="second", seen="")
    assert refused.status_code == 409
    assert "staff (Steve) has changed this text meanwhile." in said(refused)
    assert 'value="second"' in refused.text
    seen = re.findall(r'name="seen" value="([^"]*)"', refused.text)[0]

    assert post(browser, EDIT, subject="second", seen=unescape(seen)).status_code == 303
    assert [row.subject for row in rows(world, EmailTemplate)] == ["second"]


def test_language_may_be_named_as_whmcs_names_it(world: worlds.World, browser: FlaskClient) -> None:
    assert "German" in said(get(browser, EDIT + "?locale=german"))
    post(browser, EDIT, locale="german", subject="Fehler", html="<p>ä</p>")
    post(browser, EDIT, locale="arabic", subject="خطأ")

    assert sorted(row.locale for row in rows(world, EmailTemplate)) == ["ar", "de"]
    assert "Fehler" in get(browser, EDIT + "?locale=de").text


def test_preview_shows_the_typed_text_with_a_services_values_and_lets_nothing_act(
    world: worlds.World, browser: FlaskClient
) -> None:
    form = {
        "subject": "Oh: {{ vm_name }}",
        "text": "to {{ client_email }}",
        "html": "<script>x</script>{{ vm_name }}",
    }
    sample = post(browser, EDIT + "/preview", **form)
    real = post(browser, EDIT + "/preview", **form, service_id="1")

    assert (sample.status_code, real.status_code) == (200, 200)
    assert "Oh: web-1" in sample.text
    assert "Oh: web100" in real.text
    assert "to alice@example.org" in real.text
    assert "srcdoc=" in real.text
    assert "<script>" not in real.text.replace("&lt;script&gt;", "")
    policy = real.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy.split("; ")
    assert real.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert rows(world, EmailTemplate) == []
    assert " sandbox>" in get(browser, EDIT).text


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"text": "{{ nothing }}"}, "Plain text: Line 1: 'nothing' is undefined"),
        ({"service_id": "99"}, "There is no service 99."),
        ({"service_id": "\0"}, "There is no service"),
        ({"locale": "klingon"}, "There is no language klingon."),
    ],
)
def test_preview_says_what_is_wrong(browser: FlaskClient, form: dict[str, str], told: str) -> None:
    assert told in unescape(post(browser, EDIT + "/preview", **form).text)


@pytest.mark.parametrize("locale", ["", "de", "ar"])
def test_every_mail_can_be_opened_and_previewed(world: worlds.World, browser: FlaskClient, locale: str) -> None:
    slugs = re.findall(rf'href="{PREFIX}/emails/([\w-]+)"', get(browser, "/emails").text)
    assert len(set(slugs)) == len(world.backups.hooks.emails)

    for slug in slugs:
        for path in (f"/emails/{slug}?locale={locale}", f"/emails/{slug}/preview?locale={locale}&service_id=1"):
            answer = get(browser, path)
            assert answer.status_code == 200
            assert 'class="error"' not in answer.text, path


def test_fields_of_hooks_are_listed_and_may_be_used(world: worlds.World, browser: FlaskClient) -> None:
    world.backups.hooks.add("EmailTplMergeFields", lambda type: {"ticket": f"Ticket of a {type}"})  # noqa: A006 - WHMCS's own name
    world.backups.hooks.add("EmailPreSend", lambda messagename: {"ticket": "#77"})

    assert "ticket Ticket of a product" in said(get(browser, EDIT))
    assert post(browser, EDIT, subject="{{ ticket }}").status_code == 303
    assert "[Ticket of a product]" in get(browser, EDIT + "/preview").text


def test_test_goes_through_the_outbox_in_the_saved_text(
    world: worlds.World, browser: FlaskClient, mailbox: services.Mailbox
) -> None:
    post(browser, EDIT, subject="Saved: {{ vm_name }}", html="<p>{{ client_name }}</p>")
    post(browser, EDIT, EDIT + "?locale=en", subject="English: {{ vm_name }}")

    for form in ({"locale": ""}, {"locale": "", "service_id": "1"}, {"locale": "en"}):
        answer = post(browser, EDIT + "/test", to="me@provider.example", **form)
        assert answer.status_code == 303
    assert delivery.send_due(world.context) == 3

    assert sorted(mail["Subject"] for mail in mailbox) == ["English: web-1", "Saved: web-1", "Saved: web100"]
    assert {mail["To"] for mail in mailbox} == {"me@provider.example"}
    wrong = post(browser, EDIT + "/test", to="me@provider.example\r\nBcc: eve@example.org")
    assert (wrong.status_code, len(rows(world, Mail))) == (400, 3)
    assert "This is not an address" in said(wrong)


def test_disabled_mail_is_enabled_again_and_leaves_nothing_behind(world: worlds.World, browser: FlaskClient) -> None:
    post(browser, EDIT + "/switch", disabled="1")
    assert "This mail is disabled" in said(get(browser, EDIT))
    assert [row.disabled for row in rows(world, EmailTemplate)] == [True]

    post(browser, EDIT + "/switch", disabled="0")
    assert rows(world, EmailTemplate) == []


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
