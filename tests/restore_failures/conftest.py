"""The prepared world of the cases: one for a file, since each play begins from the saved state of its step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from puq_backups.pve import client
from puq_backups.simulator import Simulator

from . import prepared_world


@pytest.fixture(scope="module")
def prepared(
    proxmox_server: Simulator, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[prepared_world.PreparedWorld]:
    with (
        pytest.MonkeyPatch.context() as patch,
        prepared_world.opened(proxmox_server, tmp_path_factory.mktemp("cases"), valkey_url) as found,
    ):
        patch.setattr(client, "RETRY_PAUSES", (0.0, 0.0))
        yield found
