"""The stage for the cases: one for a file, since each play goes back to a photo of its step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from puq_backups.pve import client
from puq_backups.simulator import Simulator

from . import stage as stages


@pytest.fixture(scope="module")
def stage(
    proxmox_server: Simulator, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[stages.Stage]:
    with (
        pytest.MonkeyPatch.context() as patch,
        stages.opened(proxmox_server, tmp_path_factory.mktemp("cases"), valkey_url) as found,
    ):
        patch.setattr(client, "RETRY_PAUSES", (0.0, 0.0))
        yield found
