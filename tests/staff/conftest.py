"""A host that lists two services, on VM 100 and on VM 102, for imports; other tests here have worlds of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    host = worlds.ListingHost()
    found = worlds.make(proxmox, database_url, redis_url, host)
    host.listed = {"1": found.params(), "2": found.params("2", 102, "bob")}
    yield found
    found.context.database.engine.dispose()
