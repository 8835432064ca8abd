"""The world of the traps: Alice's service "1" on VM 100, three backups, on the shared storage `nfs`.

They meet PVE 9.2; by `make thorough` the older one as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import world as worlds
from support.thorough import THOROUGH

from puq_backups.simulator import Simulator


@pytest.fixture(params=["9.2", "8.4"] if THOROUGH else ["9.2"])
def world(
    request: pytest.FixtureRequest, proxmox: Simulator, database_url: str, redis_url: str
) -> Iterator[worlds.World]:
    proxmox.reset(pve=request.param)
    found = worlds.make(proxmox, database_url, redis_url)
    found.register(storage="nfs")
    yield found
    found.context.database.engine.dispose()
