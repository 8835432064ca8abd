"""Staff read that a client was told, and a client that support was told, only where a mail about it goes out."""

from __future__ import annotations

import pytest
from support import services
from support import world as worlds
from support.client_steps import restore

from puq_backups.mail import delivery
from puq_backups.models import Service
from puq_backups.simulator import Simulator

from .mail_helpers import write_staff_text

CLIENT, STAFF = "alice@example.org", "staff@provider.example"


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox) -> worlds.World:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="b@provider.example", staff_email=STAFF
    )
    found.register()
    return found


def fail_restore(world: worlds.World, *, started: bool) -> None:
    backup = world.back_up()
    if started:
        world.proxmox.control("start-fail", vmid=100, text="qemu is odd")
    else:
        world.proxmox.control("task-fails", type="qmrestore", text="vma extract failed")
    restore(world, backup.id)
    delivery.send_due(world.context)


def read(mailbox: services.Mailbox, to: str) -> list[str]:
    """The bodies of the one mail to an address, plain and HTML."""
    [mail] = [one for one in mailbox if one["To"] == to]
    return [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]


@pytest.mark.flow
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("off", ["", "disabled", "no address"])
def test_staff_read_that_the_client_was_told_only_where_that_is_true(
    world: worlds.World, mailbox: services.Mailbox, off: str, *, started: bool
) -> None:
    if off == "disabled":
        write_staff_text(world, "Restored, but not started" if started else "Restore failed", disabled=True)
    elif off:
        with world.context.database.begin() as session:
            service = session.get_one(Service, "1")
            service.client = {**service.client, "email": ""}

    fail_restore(world, started=started)

    for body in read(mailbox, STAFF):
        assert ("The client has been told." in body) is not bool(off)
        assert ("The client gets no mail about it." in body) is bool(off)


@pytest.mark.flow
@pytest.mark.parametrize("disabled", [False, True])
def test_client_reads_that_support_was_told_only_where_staff_get_the_mail(
    world: worlds.World, mailbox: services.Mailbox, *, disabled: bool
) -> None:
    if disabled:
        write_staff_text(world, "Restored, but not started (staff)", disabled=True)

    fail_restore(world, started=True)

    for body in read(mailbox, CLIENT):
        assert ("Our support has been told." in body) is not disabled


@pytest.mark.flow
@pytest.mark.parametrize("disabled", [False, True])
def test_client_reads_that_support_was_told_of_a_failed_backup_only_where_staff_get_a_mail_of_the_trouble(
    world: worlds.World, mailbox: services.Mailbox, *, disabled: bool
) -> None:
    if disabled:
        write_staff_text(world, "Proxmox needs attention", disabled=True)
    world.proxmox.control("task-fails", type="vzdump", text="job errors")

    world.call("BackupNow")
    world.drain()
    delivery.send_due(world.context)

    for body in read(mailbox, CLIENT):
        assert ("Our support has been told." in body) is not disabled
