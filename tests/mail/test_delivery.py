"""Mail: written with the change it tells of, sent through real SMTP, once, and never in the way."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from support import services
from support import world as worlds
from support.client_steps import run_slot
from support.waiting import PATIENCE

from puq_backups.i18n.translator import Translator
from puq_backups.mail import (
    compose,
    daily_summary,
    delivery,
    events,
    merge_fields,
    merge_values,
    sandbox,
    template_editing,
    templates,
)
from puq_backups.mail import outbox as box
from puq_backups.models import Backup, EmailTemplate, Mail, Service, now
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox) -> worlds.World:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="Backups <backups@provider.example>",
        staff_email="staff@provider.example", company_name="Provider",
    )  # fmt: skip
    found.register()
    return found


def restored(world: worlds.World, note: str = "before the upgrade") -> None:
    backup = world.back_up(note)
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()


def outbox(world: worlds.World) -> list[Mail]:
    with world.context.database.open() as session:
        return list(session.scalars(select(Mail).order_by(Mail.created_at)))


def change(world: worlds.World, **values: Any) -> None:
    """Set columns of every mail, as time or a worker that died would."""
    with world.context.database.begin() as session:
        session.execute(update(Mail).values(**values))


def waiting(world: worlds.World, *, locale: str = "en", timezone: str = "UTC", **fields: Any) -> Mail:
    """A mail of Alice's service that waits, without the restore it tells of."""
    with world.context.database.begin() as session:
        about = merge_values.Records(session.get_one(Service, "1"))
        told = {**merge_values.common_fields(session, world.context, about), **fields}
        mail = Mail(
            event=f"Backup restored {now()}", service_id="1", name="Backup restored", folder="backup_restored",
            recipient="alice@example.org", locale=locale, timezone=timezone, fields=told, attempts=0, error="",
            state="waiting", created_at=now(), wake_at=now(),
        )  # fmt: skip
        session.add(mail)
    return mail


def one(world: worlds.World, mail: Mail) -> Mail:
    """The same mail as it is by now."""
    with world.context.database.open() as session:
        return session.get_one(Mail, mail.id)


def text(world: worlds.World, name: str, locale: str = "", **parts: Any) -> None:
    """What staff has written for a mail."""
    with world.context.database.begin() as session:
        session.add(EmailTemplate(name=name, locale=locale, changed_at=now(), **parts))


def ended(session: Session, service: Service, number: int) -> Service:
    """The service, terminated, with a backup."""
    service.terminated_at = now()
    session.add(
        Backup.of(
            service, volid=f"local:backup/{number}", storage="local", kind="manual",
            local_date="2026-01-01", created_at=now(),
        )
    )  # fmt: skip
    session.flush()
    return service


@contextmanager
def rude_server(at: str) -> Iterator[int]:
    """A mail server that hangs up at a point of the first conversation, or refuses the mail; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_be_rude, args=(listening, at))
        thread.start()
        yield listening.getsockname()[1]
        thread.join(PATIENCE)


def _be_rude(listening: socket.socket, at: str) -> None:
    connection = listening.accept()[0]
    with connection, connection.makefile("rb") as lines:
        if at == "greeting":
            return
        connection.sendall(b"220 here\r\n")
        for line in lines:
            word = line[:4].strip().lower().decode()
            if word == at:
                return
            said = {"data": b"354 go on\r\n", "quit": b"221 bye\r\n"}
            unknown = {"rcpt": b"550 5.1.1 no such user\r\n"} if at == "unknown" else {}
            connection.sendall({**said, **unknown}.get(word, b"250 fine\r\n"))
            if word == "data":
                for part in lines:
                    if part == b".\r\n":
                        break
                if at == "end":
                    return
                refused = {"busy": b"451 later\r\n", "refused": b"554 looks like spam\r\n"}
                connection.sendall(refused.get(at, b"250 taken\r\n"))


def test_restored_mail_arrives_as_text_and_html(world: worlds.World, mailbox: services.Mailbox) -> None:
    restored(world)
    assert delivery.send_due(world.context) == 1

    [mail] = mailbox
    assert (mail["To"], mail["From"]) == ("alice@example.org", "Backups <backups@provider.example>")
    assert "restored" in mail["Subject"].lower()
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (text, html):
        assert "before the upgrade" in part
        assert "web100" in part
        assert "Alice Example" in part


def test_restored_mail_is_sent_once(world: worlds.World, mailbox: services.Mailbox) -> None:
    restored(world)
    delivery.send_due(world.context)
    delivery.send_due(world.context)

    assert len(mailbox) == 1
    assert [mail.state for mail in outbox(world)] == ["sent"]


def test_mail_trouble_changes_no_result_and_is_tried_again(
    proxmox: Simulator, sqlite_url: str, redis_url: str
) -> None:
    world = worlds.make(proxmox, sqlite_url, redis_url, smtp_url="smtp://127.0.0.1:9", mail_from="a@b.example")
    world.register()
    restored(world)

    assert delivery.send_due(world.context) == 0
    assert [operation.state for operation in world.operations()] == ["done", "done"]
    [mail] = outbox(world)
    assert (mail.state, mail.attempts) == ("waiting", 1)
    assert "refused" in mail.error.lower()


def test_failed_restore_is_told_to_client_and_staff(world: worlds.World, mailbox: services.Mailbox) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    delivery.send_due(world.context)

    assert sorted(mail["To"] for mail in mailbox) == ["alice@example.org", "staff@provider.example"]


def test_mail_is_off_where_the_package_says_none(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(email_restored="None"))
    restored(world)

    assert outbox(world) == []


def test_hook_may_abort_a_mail_or_add_to_it(world: worlds.World, mailbox: services.Mailbox) -> None:
    def decide(messagename: str, mergefields: dict[str, Any]) -> dict[str, Any]:
        return {"abortsend": True} if mergefields["backup_note"] == "quiet" else {"signature": "Your team"}

    world.backups.hooks.add("EmailPreSend", decide)
    restored(world, "quiet")
    restored(world, "loud")
    delivery.send_due(world.context)

    assert [mail.state for mail in outbox(world)] == ["aborted", "sent"]
    assert "Your team" in mailbox[0].get_body(("plain",)).get_content()


def test_note_cannot_break_out_of_the_mail(world: worlds.World, mailbox: services.Mailbox) -> None:
    restored(world, "<script>alert(1)</script>")
    delivery.send_due(world.context)

    assert "<script>" not in mailbox[0].get_body(("html",)).get_content()


def test_host_that_fails_to_give_an_address_keeps_neither_operation_nor_mail(
    world: worlds.World, mailbox: services.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("no request")

    with monkeypatch.context() as patch:
        patch.setattr(world.host, "service_url", broken)
        restored(world)
        assert delivery.send_due(world.context) == 0

    assert [operation.state for operation in world.operations()] == ["done", "done"]
    assert [(mail.state, mail.error) for mail in outbox(world)] == [("waiting", "RuntimeError: no request")]
    change(world, wake_at=now())
    assert delivery.send_due(world.context) == 1
    assert "http://127.0.0.1/services/1" in mailbox[0].get_body(("plain",)).get_content()


def test_mail_that_was_on_its_way_when_the_worker_died_is_not_sent_again(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    waiting(world)
    change(world, state="sending", wake_at=now() + timedelta(minutes=1))
    delivery.send_due(world.context)
    assert [mail.state for mail in outbox(world)] == ["sending"]

    change(world, wake_at=now())
    delivery.send_due(world.context)

    assert mailbox == []
    assert [(mail.state, mail.error) for mail in outbox(world)] == [
        ("failed", "The worker stopped while it was being sent; it may have arrived.")
    ]


def test_mail_is_tried_again_only_where_the_server_surely_did_not_take_it(world: worlds.World) -> None:
    """Where it hangs up, or what it says: the mail's state and error after it."""
    cases = {
        "greeting": ("waiting", "SMTPServerDisconnected"), "rcpt": ("waiting", "SMTPServerDisconnected"),
        "data": ("waiting", "SMTPServerDisconnected"), "busy": ("waiting", "SMTPDataError"),
        "refused": ("failed", "The mail server refused it for good: 554 looks like spam"),
        "unknown": ("failed", "The mail server refused it for good: 550 5.1.1 no such user"),
        "end": ("failed", "It may have arrived"), "quit": ("sent", ""),
    }  # fmt: skip
    for at, (state, error) in cases.items():
        mail = waiting(world)
        with rude_server(at) as port:
            settings = replace(world.context.settings, smtp_url=f"smtp://127.0.0.1:{port}")
            delivery.send_due(replace(world.context, settings=settings))
        found = one(world, mail)
        assert (at, found.state) == (at, state)
        assert error in found.error, at
        change(world, state="sent")


def test_addresses_at_umlaut_domains_need_no_smtputf8(world: worlds.World) -> None:
    """The server of this test does not offer SMTPUTF8, as most relays do not."""
    cases = {
        "info@bücher.example": "info@xn--bcher-kva.example", "info@straße.example": "info@xn--strae-oqa.example",
        "Info@BÜCHER.example": "Info@xn--bcher-kva.example", "a@b.example": "a@b.example",
    }  # fmt: skip
    for given, sent in cases.items():
        mail = waiting(world)
        change(world, recipient=given)
        with rude_server("quit") as port:
            settings = replace(
                world.context.settings, smtp_url=f"smtp://127.0.0.1:{port}", mail_from=f"Bücher <{given}>"
            )
            delivery.send_due(replace(world.context, settings=settings))
        found = one(world, mail)
        assert (given, found.state, found.error) == (given, "sent", "")
        letter = compose.to_message(settings, found, templates.RenderedEmail("s", "t", "h"))
        assert (letter["To"], letter["From"]) == (sent, f"Bücher <{sent}>")
        assert str(letter["Message-ID"]).endswith(f"@{sent.rpartition('@')[2]}>")


def test_local_part_that_the_server_cannot_take_fails_at_once(world: worlds.World) -> None:
    mail = waiting(world)
    change(world, recipient="jürgen@provider.example")
    with rude_server("quit") as port:
        settings = replace(world.context.settings, smtp_url=f"smtp://127.0.0.1:{port}")
        delivery.send_due(replace(world.context, settings=settings))

    assert one(world, mail).state == "failed"
    assert "internationalized email" in one(world, mail).error


def test_two_senders_at_once_send_one_mail(world: worlds.World, mailbox: services.Mailbox) -> None:
    waiting(world)
    with ThreadPoolExecutor(8) as pool:
        sent = sum(pool.map(lambda _: delivery.send_due(world.context), range(8)))

    assert (sent, len(mailbox)) == (1, 1)


def test_mails_wait_while_the_server_is_away_and_each_tick_tries_one(world: worlds.World) -> None:
    for _ in range(3):
        waiting(world)
    away = replace(world.context.settings, smtp_url="smtp://127.0.0.1:9")
    delivery.send_due(replace(world.context, settings=away))

    assert sorted(mail.attempts for mail in outbox(world)) == [0, 0, 1]


def test_mail_fails_in_the_end_and_says_why(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting(world)
    monkeypatch.setattr(world.host, "service_url", lambda _: 1 / 0)
    for _ in delivery.RETRY_DELAYS:
        change(world, wake_at=now())
        delivery.send_due(world.context)

    assert [(mail.state, mail.error) for mail in outbox(world)] == [("failed", "ZeroDivisionError: division by zero")]


EVIL = (
    "x\r\nBcc: eve@example.org\r\n\r\nbody", "x\nBcc: eve@example.org", "x\u2028Bcc: eve@example.org",
    "x\x85Bcc: eve@example.org", "=?utf-8?q?x=0D=0ABcc:_eve@example.org?=", "=?utf-8?B?QmNjOiBldmU=?=",
    "x\x00\x0b\x0cy", "a" * 3000 + "\nBcc: eve@example.org", "\ud800",
)  # fmt: skip


def test_no_merge_field_comes_out_of_its_header(world: worlds.World, mailbox: services.Mailbox) -> None:
    text(world, "Backup restored", subject="{{ vm_name }} {{ company_name }}")
    given: dict[str, str] = {}
    world.backups.hooks.add("EmailPreSend", lambda messagename: dict(given))
    for evil in EVIL:
        given["company_name"] = evil
        waiting(world, vm_name=evil.replace("\ud800", ""), client_name=evil.replace("\ud800", ""))
        assert delivery.send_due(world.context) == 1, evil
        headers = bytes(mailbox[-1]).partition(b"\n\n")[0].lower()
        assert b"\nbcc" not in headers, evil
        assert mailbox[-1]["Bcc"] is None
        assert mailbox[-1]["To"] == "alice@example.org"
        assert len(mailbox[-1]["Subject"]) <= 200
        assert not re.search(r"\s", str(mailbox[-1]["Subject"]).replace(" ", "")), evil


ADDRESSES = (
    "", "alice", "a@b@c", "alice@example.org\r\nBcc: eve@example.org", "alice@example.org, eve@example.org",
    "Alice <alice@example.org>", "alice@example.org\x00", "=?utf-8?q?eve?=@example.org", "a b@example.org",
    "a" * 250 + "@example.org", "(x)alice@example.org", '"a"@example.org', "a@[127.0.0.1]", "a\u202e@example.org",
)  # fmt: skip


def test_address_that_cannot_be_used_is_told_to_staff_and_to_no_mail_server(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    for number, address in enumerate(ADDRESSES):
        with world.context.database.begin() as session:
            service = session.get_one(Service, "1")
            service.client = {**service.client, "email": address}
            events.on_termination(session, world.context, ended(session, service, number))
    delivery.send_due(world.context)

    assert [(mail.state, mail.recipient, mail.error) for mail in outbox(world)] == [
        ("failed", "", "There is no e-mail address that could be used.")
    ] * len(ADDRESSES)
    assert mailbox == []


def test_mail_reads_in_the_clients_language_and_zone_and_goes_right_to_left_where_that_does(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    german = waiting(world, locale="de-AT", timezone="Europe/Vienna", finished_at="2026-06-01T22:30:00+00:00")
    delivery.send_due(world.context)
    with world.context.database.begin() as session:
        session.delete(session.get_one(Mail, german.id))
    text(world, german.name, "ar", html="<p>مرحبا {{ client_name }}</p>", text="مرحبا {{ client_name }}")
    waiting(world, locale="ar")
    delivery.send_due(world.context)

    first, second = (mail.get_body(("html",)).get_content() for mail in mailbox)
    assert '<html lang="de-AT" dir="ltr">' in first
    assert "02.06.2026, 00:30:00" in first
    assert '<html lang="ar" dir="rtl">' in second
    assert '<td class="text" dir="rtl"' in second
    assert "<p>مرحبا Alice Example</p>" in second


def test_closest_version_of_staffs_text_counts(world: worlds.World) -> None:
    for version, subject in (("de-AT", "Wien"), ("de", "Berlin"), ("", "master"), ("zh-Hant", "Hant")):
        text(world, "Backup restored", version, subject=subject)

    for locale, read in {
        "de-AT": "Wien", "de": "Berlin", "de-CH": "Berlin", "pl": "master", "en": "master", "zh-Hant-TW": "Hant",
    }.items():  # fmt: skip
        letter = compose.render(world.context, waiting(world, locale=locale))
        assert letter is not None
        assert (locale, letter.subject) == (locale, read)


def test_empty_part_is_the_shipped_one_in_the_readers_language(world: worlds.World) -> None:
    text(world, "Backup restored", subject="Back again: {{ vm_name }}")
    mail, german = waiting(world, locale="de"), Translator("de")

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
        text(world, "Backup restored", locale, **{"subject": "Ours", "text": "Ours", "html": "Ours", part: source})
        mail = waiting(world, locale=locale)

        assert delivery.send_due(world.context) == 1, source
        assert mailbox[-1]["Subject"] == Translator(locale).gettext(
            "Backup restored successfully: {name}", name="web100"
        )
        sent = one(world, mail)
        assert sent.state == "sent"
        assert sent.error.startswith(f"The shipped text was sent, for the changed one failed. {label}: ")


def test_disabled_mail_is_not_written(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "puq_backups.mail")
    text(world, "Backup restored", disabled=True)
    restored(world)

    assert outbox(world) == []
    assert "the mail Backup restored" in caplog.text


def test_what_was_sent_is_kept_as_hooks_have_it(world: worlds.World) -> None:
    told: list[dict[str, Any]] = []

    def quiet(**facts: Any) -> dict[str, Any]:
        told.append(facts)
        return {"message": "(not kept)"} if len(told) == 1 else {"abortLogging": True}

    world.backups.hooks.add("EmailPreLog", quiet)
    for _ in range(2):
        waiting(world)
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


def test_terminated_client_is_told_until_when_and_again_after_another_termination(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    world.call("TerminateAccount")
    assert outbox(world) == []  # without backups there is nothing to tell
    world.call("UnsuspendAccount")
    world.back_up()

    for call in ("TerminateAccount", "TerminateAccount", "UnsuspendAccount", "TerminateAccount"):
        assert world.call(call) == "success"
    delivery.send_due(world.context)

    assert [mail.name for mail in outbox(world)] == ["Backups of a terminated service will be removed"] * 2
    ended = world.service().terminated_at
    assert ended is not None
    said = Translator("en", "UTC").datetime(ended + timedelta(days=7))
    assert f"Its backups will be removed on {said}" in mailbox[-1].get_body(("plain",)).get_content()


def test_staff_is_told_once_that_a_vm_is_another_one(world: worlds.World) -> None:
    world.proxmox.control("vmid-reused", vmid=100)
    for day in ("2026-11-23", "2026-11-24"):
        assert run_slot(world, day).state == "refused"

    assert [(mail.name, mail.recipient) for mail in outbox(world)] == [
        ("Service needs attention", "staff@provider.example")
    ]
    assert outbox(world)[0].fields["service_id"] == "1"


def test_staff_is_told_once_a_day_that_a_storage_refuses(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="nfs-keep2", backups=5))
    world.back_up()
    world.back_up()
    for day in ("2026-11-23", "2026-11-24"):
        assert run_slot(world, day).state == "refused"

    assert [(mail.name, mail.recipient) for mail in outbox(world)] == [
        ("Scheduled backup refused", "staff@provider.example")
    ] * 2
    assert outbox(world)[0].fields["storage"] == "nfs-keep2"


@pytest.mark.databases
def test_each_database_keeps_what_staff_and_mails_need(
    proxmox: Simulator, database_url: str, redis_url: str, mailbox: services.Mailbox
) -> None:
    """One mail for eight senders, the longest text there may be, a page of the outbox, and the day's summary."""
    world = worlds.make(
        proxmox, database_url, redis_url, smtp_url=mailbox.url, mail_from="b@provider.example",
        staff_email="staff@provider.example",
    )  # fmt: skip
    world.register()
    email = next(email for email in world.backups.hooks.emails if email.name == "Backup restored")
    longest = "ü" * (sandbox.MAX_TEMPLATE // 2)
    template_editing.save(
        world.context, email, template_editing.draft(email, "", {"text": longest}), "", worlds.STAFF
    )
    waiting(world)
    with ThreadPoolExecutor(8) as pool:
        sent = sum(pool.map(lambda _: delivery.send_due(world.context), range(8)))
    waiting(world)
    daily_summary.write(world.context)
    daily_summary.write(world.context)

    assert (sent, len(mailbox)) == (1, 1)
    assert mailbox[0].get_body(("plain",)).get_content().strip() == longest
    with world.context.database.open() as session:
        page = box.page(session, "", "")
        older = box.page(session, "", f"{page.mails[0].created_at.isoformat()} {page.mails[0].id}")
        assert [mail.name for mail in page.mails] == ["Daily summary", "Backup restored", "Backup restored"]
        assert [mail.id for mail in older.mails] == [mail.id for mail in page.mails[1:]]
        assert box.counts(session) == {"waiting": 2}
    world.context.database.engine.dispose()
