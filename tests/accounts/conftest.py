"""Alice's service "1" on VM 100, whose backups may be purged as soon as it is terminated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    with worlds.registered(proxmox, database_url, redis_url, termination_grace=0) as found:
        yield found
