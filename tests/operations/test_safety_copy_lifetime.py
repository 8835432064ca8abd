"""How long a safety copy stays: the way back, its expiry, removal, sync and purge."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from support import world as worlds

from puq_backups.clock import expire_safety_copies, purge_terminated, tick
from puq_backups.inventory import sync
from puq_backups.models import Backup, Server, Service, now

from .safety_helpers import expire_and_drain, fail_restore, restore, safety_copies

pytestmark = pytest.mark.slow


def test_one_click_goes_back_to_the_state_before(world: worlds.World) -> None:
    failed, _ = fail_restore(world)
    [copy] = safety_copies(world)

    assert world.call("BackToBefore", operation_id=failed.id) == "success"
    world.drain()

    back = world.operations()[-1]
    assert (back.kind, back.origin, back.backup_id, back.state) == ("restore", "back", copy.id, "done")
    assert (world.service().restore_failed, len(safety_copies(world))) == (None, 1)
    assert world.proxmox.vm(100).running


@pytest.mark.slow
def test_way_back_stays_open_over_failed_attempts(world: worlds.World) -> None:
    failed, backup = fail_restore(world)
    [copy] = safety_copies(world)
    for wish, arguments in (
        ("RetryRestore", {}), ("BackToBefore", {}),
        ("RestoreBackup", {"backup_id": backup.id, "confirm": "web100", "safety_copy": "1"}),
    ):  # fmt: skip
        world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
        assert world.call(wish, **{"operation_id": failed.id, **arguments}) == "success"
        world.drain()
        failed = world.operations()[-1]
        assert (failed.state, world.service().restore_failed) == ("failed", failed.id)
        assert [one.id for one in safety_copies(world)] == [copy.id]

    assert world.call("BackToBefore", operation_id=failed.id) == "success"
    world.drain()
    assert world.service().restore_failed is None


def test_there_is_no_way_back_without_a_copy(world: worlds.World) -> None:
    failed, _ = fail_restore(world, safety_copy=None)

    assert world.call("BackToBefore", operation_id=failed.id) == "No safety copy was made before this restore."
    assert world.call("BackToBefore", operation_id="nowhere") == "There is nothing here."
    assert len(world.operations()) == 2


@pytest.mark.slow
def test_copy_goes_by_itself_after_its_days(world: worlds.World) -> None:
    backup = world.back_up()
    restore(world, backup.id)
    expire_and_drain(world)
    assert len(safety_copies(world)) == 1

    with time_machine.travel(now() + timedelta(days=3, minutes=1)):
        for _ in range(2):
            tick.tick(world.context)
            world.drain()

    removal = world.operations()[-1]
    assert (removal.kind, removal.origin, removal.actor, removal.state) == ("remove", "expiry", "system", "done")
    assert [backup.id] == [one.id for one in world.held()]
    assert len(world.proxmox.volumes("local")) == 1
    assert len(world.proxmox.tasks("imgdel")) == 1


@pytest.mark.slow
def test_copy_stays_until_the_failed_restore_is_settled(world: worlds.World) -> None:
    failed, _ = fail_restore(world)
    [copy] = safety_copies(world)
    with time_machine.travel(now() + timedelta(days=4)):
        assert expire_safety_copies.remove_expired(world.context) == 0
        assert "needed until" in world.call("RemoveBackup", backup_id=copy.id)
        assert "cannot be kept" in world.call("KeepBackup", backup_id=copy.id, kept="1")
        world.call("BackToBefore", operation_id=failed.id)
        assert expire_safety_copies.remove_expired(world.context) == 0
        world.drain()
        # Its days count from the moment the failure is settled.
        expire_and_drain(world)
        assert [one.id for one in safety_copies(world)] == [copy.id]
    with time_machine.travel(now() + timedelta(days=8)):
        expire_and_drain(world)

    assert safety_copies(world) == []


def test_copy_stays_where_a_restore_fails_before_its_removal_begins(world: worlds.World) -> None:
    restore(world, world.back_up().id)
    with time_machine.travel(now() + timedelta(days=4)):
        assert expire_safety_copies.remove_expired(world.context) == 1
        with world.context.database.begin() as session:
            session.get_one(Service, "1").restore_failed = "o"
        world.drain()

    assert (world.operations()[-1].state, len(safety_copies(world))) == ("cancelled", 1)


def test_client_may_remove_a_copy_and_it_counts_for_nothing(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(backups=2))
    backup = world.back_up()
    restore(world, backup.id)
    second = world.back_up()
    assert "Quota full (2 of 2)" in world.call("BackupNow")
    [copy] = safety_copies(world)

    assert world.call("RemoveBackup", backup_id=copy.id) == "success"
    world.drain()

    assert [one.id for one in world.held()] == [backup.id, second.id]


def test_sync_neither_loses_nor_doubles_a_copy(world: worlds.World) -> None:
    restore(world, world.back_up().id)
    [copy] = safety_copies(world)
    with world.context.database.begin() as session:
        server = session.get_one(Server, world.service().server_id)
    sync.sync_backups(world.context, server)
    assert [one.id for one in safety_copies(world)] == [copy.id]

    with world.context.database.begin() as session:
        session.delete(session.get_one(Backup, copy.id))
    sync.sync_backups(world.context, server)

    [found] = safety_copies(world)
    assert (found.volid, found.operation_id, bool(found.expires_at)) == (copy.volid, copy.operation_id, True)


def test_purge_takes_copies_along(world: worlds.World) -> None:
    restore(world, world.back_up().id)
    world.call("TerminateAccount", **world.params())
    with time_machine.travel(now() + timedelta(days=8)):
        purge_terminated.purge_due(world.context)
        expire_safety_copies.remove_expired(world.context)
        world.drain()

    assert (world.held(), world.proxmox.volumes("local")) == ([], [])
    assert len(world.proxmox.tasks("imgdel")) == 2
