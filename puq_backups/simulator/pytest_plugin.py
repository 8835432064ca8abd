"""The fixture `proxmox`: a simulated Proxmox for your own tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .simulator import Simulator


@pytest.fixture(scope="session")
def proxmox_server() -> Iterator[Simulator]:
    """One simulator for the whole session (PVE 9.2, work takes no time)."""
    from .simulator import start

    with start() as simulator:
        yield simulator


@pytest.fixture
def proxmox(proxmox_server: Simulator) -> Simulator:
    """A simulated Proxmox in its initial state; `proxmox.reset(state=…)` puts it into another."""
    from .world.seed import make_seed

    proxmox_server.reset(state=make_seed(), pve="9.2")
    return proxmox_server
