"""Alice's service "1" on VM 100, with mails sent to a real SMTP server."""

from __future__ import annotations

import pytest
from support import services
from support import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox) -> worlds.World:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="Backups <backups@provider.example>",
        staff_email="staff@provider.example", company_name="Provider",
    )  # fmt: skip
    found.register()
    return found
