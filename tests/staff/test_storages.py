"""A storage that staff declare gone, and take back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from support import world as worlds
from support.world import STAFF

from puq_backups import Refused
from puq_backups.clock import periodic
from puq_backups.models import Storage
from puq_backups.simulator import Simulator
from puq_backups.staff import storages


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url)
    found.register(storage="nfs")
    yield found
    found.context.database.engine.dispose()


def storage_id(world: worlds.World) -> str:
    with world.context.database.open() as session:
        return session.scalars(select(Storage.id).where(Storage.name == "nfs")).one()


def used(world: worlds.World) -> int:
    return int(world.call("ClientArea")["vars"]["quota"]["used"])


def test_backups_on_a_storage_that_is_gone_are_missing_until_it_is_taken_back(world: worlds.World) -> None:
    backup = world.back_up()
    with pytest.raises(Refused, match="online"):
        storages.declare_gone(world.context, storage_id(world), STAFF)
    with pytest.raises(Refused, match="not declared"):
        storages.take_back(world.context, storage_id(world), STAFF)
    world.proxmox.control("storage-offline", storage="nfs")
    periodic.sync_all(world.context)
    assert used(world) == 1

    storages.declare_gone(world.context, storage_id(world), STAFF)
    assert (used(world), world.held()[0].missing_at is not None) == (0, True)
    with pytest.raises(Refused, match="already"):
        storages.declare_gone(world.context, storage_id(world), STAFF)

    world.proxmox.control("storage-online", storage="nfs")
    storages.take_back(world.context, storage_id(world), STAFF)
    periodic.sync_all(world.context)
    assert (used(world), world.held()[0].id, world.held()[0].missing_at) == (1, backup.id, None)


def test_staff_page_offers_it_for_a_storage_that_is_offline(world: worlds.World) -> None:
    world.back_up()
    world.host.actor = STAFF
    browser = world.app.test_client()
    world.app.config["WTF_CSRF_ENABLED"] = False
    server = world.service().server_id
    at = f"/admin/backups/servers/{server}"
    assert "/gone" not in browser.get(at).get_data(as_text=True)

    world.proxmox.control("storage-offline", storage="nfs")
    periodic.sync_all(world.context)
    assert f"{at}/storages/{storage_id(world)}/gone" in browser.get(at).get_data(as_text=True)
    assert browser.post(f"{at}/storages/{storage_id(world)}/gone").status_code == 303
    assert browser.post(f"{at}/storages/nothing/gone").status_code == 404
    assert f"{at}/storages/{storage_id(world)}/back" in browser.get(at).get_data(as_text=True)
