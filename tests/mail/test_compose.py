"""The text of a mail: merge fields, staff's versions, language, hooks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support import services
from support import world as worlds

from puq_backups.i18n.translator import Translator
from puq_backups.mail import compose, delivery, merge_fields, templates
from puq_backups.models import Mail

from .mail_helpers import outbox, reload, restore_backup, waiting_mail, write_staff_text


@pytest.mark.flow
def test_hook_may_abort_a_mail_or_add_to_it(world: worlds.World, mailbox: services.Mailbox) -> None:
    def decide(messagename: str, mergefields: dict[str, Any]) -> dict[str, Any]:
        return {"abortsend": True} if mergefields["backup_note"] == "quiet" else {"signature": "Your team"}

    world.backups.hooks.add("EmailPreSend", decide)
    restore_backup(world, "quiet")
    restore_backup(world, "loud")
    delivery.send_due(world.context)

    assert [mail.state for mail in outbox(world)] == ["aborted", "sent"]
    assert "Your team" in mailbox[0].get_body(("plain",)).get_content()


@pytest.mark.flow
def test_note_cannot_break_out_of_the_mail(world: worlds.World, mailbox: services.Mailbox) -> None:
    restore_backup(world, "<script>alert(1)</script>")
    delivery.send_due(world.context)

    assert "<script>" not in mailbox[0].get_body(("html",)).get_content()


EVIL = (
    "x\r\nBcc: eve@example.org\r\n\r\nbody", "x\nBcc: eve@example.org", "x\u2028Bcc: eve@example.org",
    "x\x85Bcc: eve@example.org", "=?utf-8?q?x=0D=0ABcc:_eve@example.org?=", "=?utf-8?B?QmNjOiBldmU=?=",
    "x\x00\x0b\x0cy", "a" * 3000 + "\nBcc: eve@example.org", "\ud800",
)  # fmt: skip


@pytest.mark.flow
def test_no_merge_field_comes_out_of_its_header(world: worlds.World, mailbox: services.Mailbox) -> None:
    write_staff_text(world, "Backup restored", subject="{{ vm_name }} {{ company_name }}")
    given: dict[str, str] = {}
    world.backups.hooks.add("EmailPreSend", lambda messagename: dict(given))
    for evil in EVIL:
        given["company_name"] = evil
        waiting_mail(world, vm_name=evil.replace("\ud800", ""), client_name=evil.replace("\ud800", ""))
        assert delivery.send_due(world.context) == 1, evil
        headers = bytes(mailbox[-1]).partition(b"\n\n")[0].lower()
        assert b"\nbcc" not in headers, evil
        assert mailbox[-1]["Bcc"] is None
        assert mailbox[-1]["To"] == "alice@example.org"
        assert len(mailbox[-1]["Subject"]) <= 200
        assert not re.search(r"\s", str(mailbox[-1]["Subject"]).replace(" ", "")), evil


def test_mail_reads_in_the_clients_language_and_zone_and_goes_right_to_left_where_that_does(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    german = waiting_mail(world, locale="de-AT", timezone="Europe/Vienna", finished_at="2026-06-01T22:30:00+00:00")
    delivery.send_due(world.context)
    with world.context.database.begin() as session:
        session.delete(session.get_one(Mail, german.id))
    write_staff_text(world, german.name, "ar", html="<p>مرحبا {{ client_name }}</p>", text="مرحبا {{ client_name }}")
    waiting_mail(world, locale="ar")
    delivery.send_due(world.context)

    first, second = (mail.get_body(("html",)).get_content() for mail in mailbox)
    assert '<html lang="de-AT" dir="ltr">' in first
    assert "02.06.2026, 00:30:00" in first
    assert '<html lang="ar" dir="rtl">' in second
    assert '<td class="text" dir="rtl"' in second
    assert "<p>مرحبا Alice Example</p>" in second


def test_closest_version_of_staffs_text_counts(world: worlds.World) -> None:
    for version, subject in (("de-AT", "Wien"), ("de", "Berlin"), ("", "master"), ("zh-Hant", "Hant")):
        write_staff_text(world, "Backup restored", version, subject=subject)

    for locale, read in {
        "de-AT": "Wien", "de": "Berlin", "de-CH": "Berlin", "pl": "master", "en": "master", "zh-Hant-TW": "Hant",
    }.items():  # fmt: skip
        letter = compose.render(world.context, waiting_mail(world, locale=locale))
        assert letter is not None
        assert (locale, letter.subject) == (locale, read)


def test_empty_part_is_the_shipped_one_in_the_readers_language(world: worlds.World) -> None:
    write_staff_text(world, "Backup restored", subject="Back again: {{ vm_name }}")
    mail, german = waiting_mail(world, locale="de"), Translator("de")

    letter = compose.render(world.context, mail)

    fields = {**merge_fields.localize(mail.fields, german), **compose.host_fields(world.context, "1")}
    assert letter is not None
    assert letter.subject == "Back again: web100"
    assert letter.text == templates.render_shipped("backup_restored", fields, german).text


def test_text_of_staff_that_fails_loses_no_mail(world: worlds.World, mailbox: services.Mailbox) -> None:
    cases = (
        ("subject", "Subject", "{{ nothing }}"), ("text", "Plain text", "{{ backup_size|int }}"),
        ("html", "HTML", "{% for a in 5 %}{% endfor %}"), ("html", "HTML", "{{ vm_name.__class__ }}"),
        ("text", "Plain text", "{% if false %}x{% endif %}"), ("subject", "Subject", "{{"),
    )  # fmt: skip
    for number, (part, label, source) in enumerate(cases):
        locale = ("de", "pl", "ar", "fr", "it", "es")[number]
        write_staff_text(
            world, "Backup restored", locale, **{"subject": "Ours", "text": "Ours", "html": "Ours", part: source}
        )
        mail = waiting_mail(world, locale=locale)

        assert delivery.send_due(world.context) == 1, source
        assert mailbox[-1]["Subject"] == Translator(locale).gettext(
            "Backup restored successfully: {name}", name="web100"
        )
        sent = reload(world, mail)
        assert sent.state == "sent"
        assert sent.error.startswith(f"The shipped text was sent, for the changed one failed. {label}: ")


def test_what_was_sent_is_kept_as_hooks_have_it(world: worlds.World) -> None:
    told: list[dict[str, Any]] = []

    def quiet(**facts: Any) -> dict[str, Any]:
        told.append(facts)
        return {"message": "(not kept)"} if len(told) == 1 else {"abortLogging": True}

    world.backups.hooks.add("EmailPreLog", quiet)
    for _ in range(2):
        waiting_mail(world)
        delivery.send_due(world.context)

    assert [(mail.state, mail.subject, mail.message) for mail in outbox(world)] == [
        ("sent", "Backup restored successfully: web100", "(not kept)"), ("sent", None, None)
    ]  # fmt: skip
    assert told[0]["messagename"] == "Backup restored"
    assert (told[0]["to"], told[0]["userid"]) == ("alice@example.org", "alice")
    assert "was restored" in told[0]["message"]


def test_merge_fields_that_only_the_host_knows_come_from_its_params(world: worlds.World) -> None:
    world.host.service_params = lambda _: {  # type: ignore[attr-defined]  # an optional part of a host
        "service_product_name": "KVM L", "service_dedicated_ip": "192.0.2.10", "serverpassword": "secret",
        "clientsdetails": {"city": "Vienna", "password": "secret"},
    }  # fmt: skip

    found = compose.host_fields(world.context, "1")

    assert found == {
        "backups_url": "http://127.0.0.1/services/1/backups", "service_product_name": "KVM L",
        "service_dedicated_ip": "192.0.2.10", "client_city": "Vienna",
    }  # fmt: skip
