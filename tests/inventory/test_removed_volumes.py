"""Volumes that we removed stay known until they were seen to be gone; one that comes back is removed again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select
from support import world as worlds

from puq_backups.clock import periodic
from puq_backups.models import Backup
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url)
    found.register(storage="nfs")
    yield found
    found.context.database.engine.dispose()


def row(world: worlds.World, backup: Backup) -> Backup:
    with world.context.database.open() as session:
        return session.scalars(select(Backup).where(Backup.id == backup.id)).one()


def volumes(world: worlds.World) -> set[str]:
    return {volume.volid for volume in world.proxmox.volumes("nfs")}


@pytest.mark.flow
def test_volume_removed_while_its_share_was_not_mounted_is_removed_again(world: worlds.World) -> None:
    lost, other = world.back_up(), world.back_up()
    world.proxmox.control("storage-empty", storage="nfs")
    assert world.call("RemoveBackup", backup_id=lost.id) == "success"
    world.drain()
    assert row(world, lost).removed_at is not None
    periodic.sync_all(world.context)
    assert row(world, lost).gone_at is None

    world.proxmox.control("undo", of="storage-empty")
    assert lost.volid in volumes(world)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
        periodic.sync_all(world.context)
        world.drain()

        assert lost.volid not in volumes(world)
        assert other.volid in volumes(world)
        assert (world.operations()[-1].origin, world.operations()[-1].state) == ("again", "done")
        periodic.sync_all(world.context)
        assert row(world, lost).gone_at is not None
        assert [one.origin for one in world.operations()].count("again") == 1


@pytest.mark.flow
def test_volume_seen_to_be_gone_that_comes_back_is_removed_again(world: worlds.World) -> None:
    """Others are listed where its share is not mounted: what was made meanwhile lies below the mount point."""
    lost = world.back_up()
    world.proxmox.control("storage-empty", storage="nfs")
    assert world.call("RemoveBackup", backup_id=lost.id) == "success"
    world.drain()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=True):
        made_meanwhile = world.back_up()
        periodic.sync_all(world.context)
        assert row(world, lost).gone_at is not None

    world.proxmox.control("undo", of="storage-empty")
    assert lost.volid in volumes(world)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=3), tick=True):
        periodic.sync_all(world.context)
        world.drain()
        assert volumes(world) & {lost.volid, made_meanwhile.volid} == {made_meanwhile.volid}
        periodic.sync_all(world.context)
        assert row(world, lost).gone_at is not None
        assert [one.origin for one in world.operations()].count("again") == 1


def test_removed_volume_is_known_to_be_gone_where_the_storage_shows_others(world: worlds.World) -> None:
    first, _ = world.back_up(), world.back_up()
    assert world.call("RemoveBackup", backup_id=first.id) == "success"
    world.drain()
    assert row(world, first).gone_at is None

    periodic.sync_all(world.context)
    assert row(world, first).gone_at is not None
