"""Mail: written with the change it tells of, sent through real SMTP, once, and never in the way."""

from __future__ import annotations

from typing import Any

import pytest
import services
import world as worlds
from sqlalchemy import select

from puq_backups import mailing
from puq_backups.models import Mail
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
    with world.toolbox.database.open() as session:
        return list(session.scalars(select(Mail).order_by(Mail.created_at)))


def test_restored_mail_arrives_as_text_and_html(world: worlds.World, mailbox: services.Mailbox) -> None:
    restored(world)
    assert mailing.send_due(world.toolbox) == 1

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
    mailing.send_due(world.toolbox)
    mailing.send_due(world.toolbox)

    assert len(mailbox) == 1
    assert [mail.state for mail in outbox(world)] == ["sent"]


def test_mail_trouble_changes_no_result_and_is_tried_again(
    proxmox: Simulator, sqlite_url: str, redis_url: str
) -> None:
    world = worlds.make(proxmox, sqlite_url, redis_url, smtp_url="smtp://127.0.0.1:9", mail_from="a@b.example")
    world.register()
    restored(world)

    assert mailing.send_due(world.toolbox) == 0
    assert [operation.state for operation in world.operations()] == ["done", "done"]
    [mail] = outbox(world)
    assert (mail.state, mail.attempts) == ("waiting", 1)
    assert "refused" in mail.error.lower()


def test_failed_restore_is_told_to_client_and_staff(world: worlds.World, mailbox: services.Mailbox) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    mailing.send_due(world.toolbox)

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
    mailing.send_due(world.toolbox)

    assert [mail.state for mail in outbox(world)] == ["aborted", "sent"]
    assert "Your team" in mailbox[0].get_body(("plain",)).get_content()


def test_note_cannot_break_out_of_the_mail(world: worlds.World, mailbox: services.Mailbox) -> None:
    restored(world, "<script>alert(1)</script>")
    mailing.send_due(world.toolbox)

    assert "<script>" not in mailbox[0].get_body(("html",)).get_content()


def test_host_that_fails_to_give_an_address_does_not_keep_an_operation_from_ending(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("no request")

    monkeypatch.setattr(world.host, "service_url", broken)
    restored(world)

    assert [operation.state for operation in world.operations()] == ["done", "done"]
    assert outbox(world) == []
