"""Staff's pages of the mails: texts in each language, previews, tests, and the outbox."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from support import services
from support import world as worlds

from puq_backups.mail import delivery
from puq_backups.models import AuditEntry, EmailTemplate, Mail

from .client_pages import visible_text
from .email_helpers import EDIT, PREFIX, get, post, rows


def test_all_mails_are_listed_with_what_was_changed(mailing: worlds.World, staff: FlaskClient) -> None:
    post(staff, EDIT, subject="Oh", locale="de")
    post(staff, EDIT + "/switch", disabled="1")

    page = visible_text(get(staff, "/emails"))

    for email in mailing.backups.hooks.emails:
        assert email.name in page
    assert "Backup failed Client German Disabled" in page
    assert "Daily summary Staff Shipped On" in page


def test_text_is_saved_shown_and_restored(mailing: worlds.World, staff: FlaskClient) -> None:
    before = get(staff, EDIT).text
    assert "Dear {{ client_name }}," in before
    assert "This is the shipped text" in before

    answer = post(staff, EDIT, subject="Oh dear: {{ vm_name }}", text="Hi\r\n{{ client_name }}\r\n", html="")
    assert (answer.status_code, answer.location) == (303, PREFIX + EDIT)
    page = get(staff, EDIT).text
    assert "The text is saved." in page
    assert 'value="Oh dear: {{ vm_name }}"' in page
    assert "Last changed" in visible_text(get(staff, EDIT))
    [row] = rows(mailing, EmailTemplate)
    assert (row.subject, row.text, row.html) == ("Oh dear: {{ vm_name }}", "Hi\n{{ client_name }}", "")
    assert row.changed_by == "staff (Steve)"

    assert post(staff, EDIT + "/restore").status_code == 303
    assert rows(mailing, EmailTemplate) == []
    assert [entry.text for entry in rows(mailing, AuditEntry) if entry.action == "email"] == [
        "the mail Backup failed (master) was changed", "the mail Backup failed (master) was restored",
    ]  # fmt: skip


def test_parts_left_as_they_were_stay_the_shipped_ones(mailing: worlds.World, staff: FlaskClient) -> None:
    html = get(staff, EDIT).text
    shipped = {
        part: unescape(re.findall(rf'<textarea[^>]* name="{part}"[^>]*>\n(.*?)</textarea>', html, re.DOTALL)[0])
        for part in ("text", "html")
    }
    post(staff, EDIT, subject="Ours", **{part: text.replace("\n", "\r\n") for part, text in shipped.items()})

    [row] = rows(mailing, EmailTemplate)
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
    mailing: worlds.World, staff: FlaskClient, field: str, typed: str, told: str
) -> None:
    answer = post(staff, EDIT, **{"subject": "Kept as typed", "text": "<kept>", "html": "kept", field: typed})

    assert answer.status_code == 400
    assert told in visible_text(answer)
    assert "Nothing was changed." in visible_text(answer)
    assert rows(mailing, EmailTemplate) == []
    for name, text in {"subject": "Kept as typed", "text": "<kept>", "html": "kept", field: typed}.items():
        assert name == "locale" or text in unescape(answer.text)
    if field != "locale":
        assert f'aria-describedby="puqb-{field}-error"' in answer.text


def test_text_that_somebody_else_changed_meanwhile_is_not_overwritten_unseen(
    mailing: worlds.World, staff: FlaskClient
) -> None:
    mine = post(staff, EDIT, subject="first", seen="")
    assert mine.status_code == 303

    refused = post(staff, EDIT, subject="second", seen="")
    assert refused.status_code == 409
    assert "staff (Steve) has changed this text meanwhile." in visible_text(refused)
    assert 'value="second"' in refused.text
    seen = re.findall(r'name="seen" value="([^"]*)"', refused.text)[0]

    assert post(staff, EDIT, subject="second", seen=unescape(seen)).status_code == 303
    assert [row.subject for row in rows(mailing, EmailTemplate)] == ["second"]


def test_language_may_be_named_as_whmcs_names_it(mailing: worlds.World, staff: FlaskClient) -> None:
    assert "German" in visible_text(get(staff, EDIT + "?locale=german"))
    post(staff, EDIT, locale="german", subject="Fehler", html="<p>ä</p>")
    post(staff, EDIT, locale="arabic", subject="خطأ")

    assert sorted(row.locale for row in rows(mailing, EmailTemplate)) == ["ar", "de"]
    assert "Fehler" in get(staff, EDIT + "?locale=de").text


def test_preview_shows_the_typed_text_with_a_services_values_and_lets_nothing_act(
    mailing: worlds.World, staff: FlaskClient
) -> None:
    form = {
        "subject": "Oh: {{ vm_name }}",
        "text": "to {{ client_email }}",
        "html": "<script>x</script>{{ vm_name }}",
    }
    sample = post(staff, EDIT + "/preview", **form)
    real = post(staff, EDIT + "/preview", **form, service_id="1")

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
    assert rows(mailing, EmailTemplate) == []
    assert " sandbox>" in get(staff, EDIT).text


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"text": "{{ nothing }}"}, "Plain text: Line 1: 'nothing' is undefined"),
        ({"service_id": "99"}, "There is no service 99."),
        ({"service_id": "\0"}, "There is no service"),
        ({"locale": "klingon"}, "There is no language klingon."),
    ],
)
def test_preview_says_what_is_wrong(staff: FlaskClient, form: dict[str, str], told: str) -> None:
    assert told in unescape(post(staff, EDIT + "/preview", **form).text)


@pytest.mark.parametrize("locale", ["", "de", "ar"])
def test_every_mail_can_be_opened_and_previewed(mailing: worlds.World, staff: FlaskClient, locale: str) -> None:
    slugs = re.findall(rf'href="{PREFIX}/emails/([\w-]+)"', get(staff, "/emails").text)
    assert len(set(slugs)) == len(mailing.backups.hooks.emails)

    for slug in slugs:
        for path in (f"/emails/{slug}?locale={locale}", f"/emails/{slug}/preview?locale={locale}&service_id=1"):
            answer = get(staff, path)
            assert answer.status_code == 200
            assert 'class="error"' not in answer.text, path


def test_fields_of_hooks_are_listed_and_may_be_used(mailing: worlds.World, staff: FlaskClient) -> None:
    mailing.backups.hooks.add("EmailTplMergeFields", lambda type: {"ticket": f"Ticket of a {type}"})  # noqa: A006 - WHMCS's own name
    mailing.backups.hooks.add("EmailPreSend", lambda messagename: {"ticket": "#77"})

    assert "ticket Ticket of a product" in visible_text(get(staff, EDIT))
    assert post(staff, EDIT, subject="{{ ticket }}").status_code == 303
    assert "[Ticket of a product]" in get(staff, EDIT + "/preview").text


@pytest.mark.flow
def test_test_goes_through_the_outbox_in_the_saved_text(
    mailing: worlds.World, staff: FlaskClient, mailbox: services.Mailbox
) -> None:
    post(staff, EDIT, subject="Saved: {{ vm_name }}", html="<p>{{ client_name }}</p>")
    post(staff, EDIT, EDIT + "?locale=en", subject="English: {{ vm_name }}")

    for form in ({"locale": ""}, {"locale": "", "service_id": "1"}, {"locale": "en"}):
        answer = post(staff, EDIT + "/test", to="me@provider.example", **form)
        assert answer.status_code == 303
    assert delivery.send_due(mailing.context) == 3

    assert sorted(mail["Subject"] for mail in mailbox) == ["English: web-1", "Saved: web-1", "Saved: web100"]
    assert {mail["To"] for mail in mailbox} == {"me@provider.example"}
    wrong = post(staff, EDIT + "/test", to="me@provider.example\r\nBcc: eve@example.org")
    assert (wrong.status_code, len(rows(mailing, Mail))) == (400, 3)
    assert "This is not an address" in visible_text(wrong)


def test_disabled_mail_is_enabled_again_and_leaves_nothing_behind(mailing: worlds.World, staff: FlaskClient) -> None:
    post(staff, EDIT + "/switch", disabled="1")
    assert "This mail is disabled" in visible_text(get(staff, EDIT))
    assert [row.disabled for row in rows(mailing, EmailTemplate)] == [True]

    post(staff, EDIT + "/switch", disabled="0")
    assert rows(mailing, EmailTemplate) == []
