"""Delivery of mails by SMTP: sent once, tried again only where the server surely did not take them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from support import services
from support import world as worlds
from support.waiting import PATIENCE

from puq_backups.mail import compose, daily_summary, delivery, sandbox, template_editing, templates
from puq_backups.mail import outbox as box
from puq_backups.models import now
from puq_backups.simulator import Simulator

from .mail_helpers import change_mails, outbox, reload, restore_backup, waiting_mail


@contextmanager
def failing_smtp_server(at: str) -> Iterator[int]:
    """A mail server that hangs up at a point of its first SMTP session, or refuses the mail. Yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_answer_until, args=(listening, at))
        thread.start()
        yield listening.getsockname()[1]
        thread.join(PATIENCE)


def _answer_until(listening: socket.socket, at: str) -> None:
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


@pytest.mark.flow
def test_mail_trouble_changes_no_result_and_is_tried_again(
    proxmox: Simulator, sqlite_url: str, redis_url: str
) -> None:
    world = worlds.make(proxmox, sqlite_url, redis_url, smtp_url="smtp://127.0.0.1:9", mail_from="a@b.example")
    world.register()
    restore_backup(world)

    assert delivery.send_due(world.context) == 0
    assert [operation.state for operation in world.operations()] == ["done", "done"]
    [mail] = outbox(world)
    assert (mail.state, mail.attempts) == ("waiting", 1)
    assert "refused" in mail.error.lower()


def test_mail_that_was_on_its_way_when_the_worker_died_is_not_sent_again(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    waiting_mail(world)
    change_mails(world, state="sending", wake_at=now() + timedelta(minutes=1))
    delivery.send_due(world.context)
    assert [mail.state for mail in outbox(world)] == ["sending"]

    change_mails(world, wake_at=now())
    delivery.send_due(world.context)

    assert mailbox == []
    assert [(mail.state, mail.error) for mail in outbox(world)] == [
        ("failed", "The worker stopped while it was being sent; it may have arrived.")
    ]


@pytest.mark.flow
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
        mail = waiting_mail(world)
        with failing_smtp_server(at) as port:
            settings = replace(world.context.settings, smtp_url=f"smtp://127.0.0.1:{port}")
            delivery.send_due(replace(world.context, settings=settings))
        found = reload(world, mail)
        assert (at, found.state) == (at, state)
        assert error in found.error, at
        change_mails(world, state="sent")


@pytest.mark.flow
def test_addresses_at_umlaut_domains_need_no_smtputf8(world: worlds.World) -> None:
    """The server of this test does not offer SMTPUTF8, as most relays do not."""
    cases = {
        "info@bücher.example": "info@xn--bcher-kva.example", "info@straße.example": "info@xn--strae-oqa.example",
        "Info@BÜCHER.example": "Info@xn--bcher-kva.example", "a@b.example": "a@b.example",
    }  # fmt: skip
    for given, sent in cases.items():
        mail = waiting_mail(world)
        change_mails(world, recipient=given)
        with failing_smtp_server("quit") as port:
            settings = replace(
                world.context.settings, smtp_url=f"smtp://127.0.0.1:{port}", mail_from=f"Bücher <{given}>"
            )
            delivery.send_due(replace(world.context, settings=settings))
        found = reload(world, mail)
        assert (given, found.state, found.error) == (given, "sent", "")
        letter = compose.to_message(settings, found, templates.RenderedEmail("s", "t", "h"))
        assert (letter["To"], letter["From"]) == (sent, f"Bücher <{sent}>")
        assert str(letter["Message-ID"]).endswith(f"@{sent.rpartition('@')[2]}>")


def test_local_part_that_the_server_cannot_take_fails_at_once(world: worlds.World) -> None:
    mail = waiting_mail(world)
    change_mails(world, recipient="jürgen@provider.example")
    with failing_smtp_server("quit") as port:
        settings = replace(world.context.settings, smtp_url=f"smtp://127.0.0.1:{port}")
        delivery.send_due(replace(world.context, settings=settings))

    assert reload(world, mail).state == "failed"
    assert "internationalized email" in reload(world, mail).error


def test_two_senders_at_once_send_one_mail(world: worlds.World, mailbox: services.Mailbox) -> None:
    waiting_mail(world)
    with ThreadPoolExecutor(8) as pool:
        sent = sum(pool.map(lambda _: delivery.send_due(world.context), range(8)))

    assert (sent, len(mailbox)) == (1, 1)


def test_mails_wait_while_the_server_is_away_and_each_tick_tries_one(world: worlds.World) -> None:
    for _ in range(3):
        waiting_mail(world)
    away = replace(world.context.settings, smtp_url="smtp://127.0.0.1:9")
    delivery.send_due(replace(world.context, settings=away))

    assert sorted(mail.attempts for mail in outbox(world)) == [0, 0, 1]


def test_mail_fails_in_the_end_and_says_why(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting_mail(world)
    monkeypatch.setattr(world.host, "service_url", lambda _: 1 / 0)
    for _ in delivery.RETRY_DELAYS:
        change_mails(world, wake_at=now())
        delivery.send_due(world.context)

    assert [(mail.state, mail.error) for mail in outbox(world)] == [("failed", "ZeroDivisionError: division by zero")]


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
    waiting_mail(world)
    with ThreadPoolExecutor(8) as pool:
        sent = sum(pool.map(lambda _: delivery.send_due(world.context), range(8)))
    waiting_mail(world)
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
