"""Staff's pages of the mails: texts in each language, previews, tests, and the outbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient
from support import services
from support import world as worlds
from support.world import STAFF

from puq_backups.mail import delivery
from puq_backups.models import AuditEntry, EmailTemplate, Mail
from puq_backups.simulator import Simulator

from .conftest import said
from .emails_helpers import EDIT, PREFIX, get, post, rows


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
