"""What a client reads in a mail: the cause in plain words, the zone of each time, the way to the Backups page."""

from __future__ import annotations

import pytest
from support import services
from support import world as worlds

from puq_backups.mail import compose, delivery
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox) -> worlds.World:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="Backups <backups@provider.example>",
        staff_email="staff@provider.example", timezone="Europe/London",
    )  # fmt: skip
    found.register()
    return found


def test_failed_restore_has_its_cause_in_plain_words_and_the_text_of_proxmox_for_staff(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    delivery.send_due(world.context)
    texts = {mail["To"]: mail.get_body(("plain",)).get_content() for mail in mailbox}
    client, staff = texts["alice@example.org"], texts["staff@provider.example"]

    raw = str(world.operations()[-1].why)
    assert "The file of this backup is damaged." in client
    assert raw not in client
    assert "exit" not in client
    assert raw.splitlines()[0][:20] in staff
    assert "(Europe/London)" in client
    assert "http://127.0.0.1/services/1/backups" in client


@pytest.mark.parametrize(
    ("service", "prefix", "found"),
    [
        ("https://a.example/services/7", "/services/<service_id>/backups", "https://a.example/services/7/backups"),
        ("https://a.example/b/services/7/", "/services/<string:service_id>/backups",
         "https://a.example/b/services/7/backups"),
        ("https://a.example/services/7/backups", "/services/<service_id>/backups",
         "https://a.example/services/7/backups"),
        ("https://a.example/services/7?tab=1#x", "/services/<service_id>/backups",
         "https://a.example/services/7/backups"),
        ("https://a.example/vm?id=7", "/services/<service_id>/backups", "https://a.example/vm?id=7"),
        ("https://a.example/de/services/7", "/<lang>/services/<service_id>/backups",
         "https://a.example/de/services/7"),
        ("https://a.example/s/a%20b", "/s/<service_id>/backups", "https://a.example/s/a%20b/backups"),
    ],
)  # fmt: skip
def test_address_of_the_backups_page(service: str, prefix: str, found: str) -> None:
    service_id = "a b" if "%20" in service else "7"
    assert compose.backups_url(service, prefix, service_id) == found
