"""The world of the traps: Alice's service "1" on VM 100, three backups, on the shared storage `nfs`.

They meet PVE 9.2; with TRAPS_PVE=8.4 in the environment the older one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    proxmox.reset(pve=os.environ.get("TRAPS_PVE", "9.2"))
    found = worlds.make(proxmox, database_url, redis_url)
    found.register(storage="nfs")
    yield found
    found.context.database.engine.dispose()
