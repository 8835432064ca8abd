"""The world of the traps: Alice's service "1" on VM 100, three backups, on the shared storage `nfs`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url)
    found.register(storage="nfs")
    yield found
    found.toolbox.database.engine.dispose()
