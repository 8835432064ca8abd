"""The world of these tests: Alice's service "1" on VM 100, with three backups in her package.

It meets PVE 9.2; a test that matters on both asks for it with `@both_versions`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import world as worlds

from puq_backups.simulator import Simulator


@pytest.fixture
def world(
    request: pytest.FixtureRequest, proxmox: Simulator, database_url: str, redis_url: str
) -> Iterator[worlds.World]:
    if hasattr(request, "param"):
        proxmox.reset(pve=request.param)
    with worlds.registered(proxmox, database_url, redis_url) as found:
        yield found
