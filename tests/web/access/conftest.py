"""The client's pages with a backup of Alice and one of Bob."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import databases
from support import world as worlds

from puq_backups.simulator import Simulator

from ..client_pages import ClientPages


@pytest.fixture
def with_backups(pages: ClientPages) -> ClientPages:
    """Pages of a world of its own, in which Alice and Bob have a backup each."""
    pages.world.back_up("alice's secret note")
    pages.world.back_up("bob's secret note", "2")
    return pages


@pytest.fixture(scope="module")
def shared(
    proxmox_server: Simulator, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClientPages]:  # fmt: skip
    proxmox_server.reset()
    world = worlds.make(proxmox_server, databases.sqlite_file(tmp_path_factory.mktemp("access")), valkey_url)
    world.register()
    world.register("2", 101, "bob", storage="nfs")
    pages = ClientPages(world, world.app.test_client())
    pages.world.back_up("alice's secret note")
    pages.world.back_up("bob's secret note", "2")
    yield pages
    world.context.database.engine.dispose()


@pytest.fixture
def unchanged(shared: ClientPages, redis_url: str) -> ClientPages:
    """The same as `with_backups`, shared by the tests of a module in which every request is refused."""
    shared.service_id = "1"
    return shared
