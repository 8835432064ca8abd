"""Alice's service on a Proxmox token that may reinstall, after a restore that failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import world as worlds

from puq_backups.simulator import Simulator

from .failed_restore import register


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice's service; its token may reinstall."""
    found = worlds.make(
        proxmox, database_url, redis_url, staff_email="staff@example.net", smtp_url="smtp://127.0.0.1:1",
        mail_from="backups@example.net",
    )  # fmt: skip
    register(found)
    yield found
    found.context.database.engine.dispose()
