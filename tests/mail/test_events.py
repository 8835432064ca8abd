"""Which mails each event writes, to whom, and what suppresses them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support import services
from support import world as worlds
from support.client_steps import run_slot

from puq_backups.i18n.translator import Translator
from puq_backups.mail import delivery, events
from puq_backups.models import Service, now
from puq_backups.pve import vms
from puq_backups.staff import resolve

from .mail_helpers import change_mails, outbox, restore_backup, terminate, write_staff_text


def test_restored_mail_arrives_as_text_and_html(world: worlds.World, mailbox: services.Mailbox) -> None:
    restore_backup(world)
    assert delivery.send_due(world.context) == 1

    [mail] = mailbox
    assert (mail["To"], mail["From"]) == ("alice@example.org", "Backups <backups@provider.example>")
    assert "restored" in mail["Subject"].lower()
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (text, html):
        assert "before the upgrade" in part
        assert "web100" in part
        assert "Alice Example" in part


@pytest.mark.flow
def test_restored_mail_is_sent_once(world: worlds.World, mailbox: services.Mailbox) -> None:
    restore_backup(world)
    delivery.send_due(world.context)
    delivery.send_due(world.context)

    assert len(mailbox) == 1
    assert [mail.state for mail in outbox(world)] == ["sent"]


@pytest.mark.flow
def test_failed_restore_is_told_to_client_and_staff(world: worlds.World, mailbox: services.Mailbox) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    delivery.send_due(world.context)

    assert sorted(mail["To"] for mail in mailbox) == ["alice@example.org", "staff@provider.example"]


def test_mail_is_off_where_the_package_says_none(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(email_restored="None"))
    restore_backup(world)

    assert outbox(world) == []


@pytest.mark.flow
def test_host_that_fails_to_give_an_address_keeps_neither_operation_nor_mail(
    world: worlds.World, mailbox: services.Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("no request")

    with monkeypatch.context() as patch:
        patch.setattr(world.host, "service_url", broken)
        restore_backup(world)
        assert delivery.send_due(world.context) == 0

    assert [operation.state for operation in world.operations()] == ["done", "done"]
    assert [(mail.state, mail.error) for mail in outbox(world)] == [("waiting", "RuntimeError: no request")]
    change_mails(world, wake_at=now())
    assert delivery.send_due(world.context) == 1
    assert "http://127.0.0.1/services/1" in mailbox[0].get_body(("plain",)).get_content()


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
            events.on_termination(session, world.context, terminate(session, service, number))
    delivery.send_due(world.context)

    assert [(mail.state, mail.recipient, mail.error) for mail in outbox(world)] == [
        ("failed", "", "There is no e-mail address that could be used.")
    ] * len(ADDRESSES)
    assert mailbox == []


@pytest.mark.flow
def test_disabled_mail_is_not_written(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "puq_backups.mail")
    write_staff_text(world, "Backup restored", disabled=True)
    restore_backup(world)

    assert outbox(world) == []
    assert "the mail Backup restored" in caplog.text


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


def test_staff_is_told_once_that_the_other_vm_is_settled(world: worlds.World) -> None:
    world.proxmox.control("vmid-reused", vmid=100)
    run_slot(world, "2026-11-23")
    identity = str(vms.identity(world.proxmox.vm(100).config))
    resolve.accept_identity(world.context, "1", worlds.STAFF, identity)
    world.register()

    assert [mail.name for mail in outbox(world)] == ["Service needs attention", "Trouble over"]
    assert outbox(world)[1].fields["reason"] == outbox(world)[0].fields["reason"]


def test_staff_is_told_once_that_a_registration_settled_it(world: worlds.World) -> None:
    world.proxmox.control("vmid-reused", vmid=100)
    run_slot(world, "2026-11-23")
    for _ in range(2):
        world.register(vmid=101)

    assert [mail.name for mail in outbox(world)] == ["Service needs attention", "Trouble over"]


@pytest.mark.flow
def test_staff_is_told_once_that_a_storage_refuses_and_when_that_is_over(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="nfs-keep2", backups=5))
    world.back_up()
    world.back_up()
    for day in ("2026-11-23", "2026-11-24"):
        assert run_slot(world, day).state == "refused"

    assert [(mail.name, mail.recipient) for mail in outbox(world)] == [
        ("Scheduled backup refused", "staff@provider.example")
    ]
    assert outbox(world)[0].fields["storage"] == "nfs-keep2"
    world.call("ChangePackage", **world.params(storage="nfs", backups=5))
    for day in ("2026-11-25", "2026-11-26"):
        assert run_slot(world, day).state == "done"

    assert [mail.name for mail in outbox(world)] == ["Scheduled backup refused", "Trouble over"]


@pytest.mark.flow
def test_staff_is_told_once_that_no_old_backup_goes_and_when_that_is_over(world: worlds.World) -> None:
    """With rotation `after` each night is done, and adds a file."""
    world.call("ChangePackage", **world.params(backups=1, rotation="after"))
    world.back_up()
    world.proxmox.control("refuse", method="DELETE", path="*/content/*", status=403, reason="No rights", times=None)
    for day in ("2026-11-23", "2026-11-24"):
        assert run_slot(world, day).state == "done"

    assert len(world.held()) == 3
    assert [(mail.name, mail.recipient) for mail in outbox(world)] == [
        ("Backups not removed", "staff@provider.example")
    ]
    assert "No rights" in str(outbox(world)[0].fields["reason"])
    world.proxmox.control("undo", of="refuse")
    for day in ("2026-11-25", "2026-11-26"):
        assert run_slot(world, day).state == "done"

    assert [mail.name for mail in outbox(world)] == ["Backups not removed", "Trouble over"]
    assert len(world.held()) == 1


@pytest.mark.flow
def test_trouble_with_removals_is_over_once_one_is_removed_by_hand(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(backups=1, rotation="after"))
    world.back_up()
    world.proxmox.control("refuse", method="DELETE", path="*/content/*", status=403, reason="No rights")
    assert run_slot(world, "2026-11-23").state == "done"
    assert world.call("DeleteBackup", backup_id=world.held()[0].id) == "success"
    world.drain()

    assert [mail.name for mail in outbox(world)] == ["Backups not removed", "Trouble over"]
