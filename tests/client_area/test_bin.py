"""The bin: what a person removes stays for a while, counts for nothing, comes back, or goes for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from support import world as worlds
from support.world import ALICE

from puq_backups import Actor
from puq_backups.clock import empty_bin
from puq_backups.models import Backup, Storage
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url, bin_hours=24)
    found.register(backups=2)
    yield found
    found.context.database.engine.dispose()


def shown(world: worlds.World, backup: Backup) -> dict[str, object]:
    facts = world.call("ClientArea")["vars"]["backups"]
    return next(one for one in facts if one["id"] == backup.id)


def used(world: worlds.World) -> int:
    return int(world.call("ClientArea")["vars"]["quota"]["used"])


def test_removed_backup_goes_into_the_bin_and_comes_back(world: worlds.World) -> None:
    backup = world.back_up()

    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    world.drain()

    assert (len(world.operations()), len(world.proxmox.volumes("local")), used(world)) == (1, 1, 0)
    found = shown(world, backup)
    assert found["binned_until"] is not None
    assert found["restorable"] is False
    assert "in the bin" in world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    assert "in the bin" in world.call("KeepBackup", backup_id=backup.id, kept="1")

    assert world.call("UndoRemove", backup_id=backup.id) == "success"
    assert (shown(world, backup)["binned_until"], shown(world, backup)["restorable"], used(world)) == (None, True, 1)
    assert world.call("UndoRemove", backup_id=backup.id) == "This backup is not in the bin."


@pytest.mark.parametrize("function", ["RemoveBackup", "DeleteBackup"])
def test_binned_backup_is_removed_for_good(world: worlds.World, function: str) -> None:
    backup = world.back_up()
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"

    assert world.call(function, backup_id=backup.id) == "success"
    world.drain()

    assert (world.held(), world.proxmox.volumes("local")) == ([], [])


def test_delete_needs_no_bin(world: worlds.World) -> None:
    backup = world.back_up()

    assert world.call("DeleteBackup", backup_id=backup.id) == "success"
    world.drain()

    assert world.proxmox.volumes("local") == []


def test_undo_needs_a_free_place_and_the_right_to_remove(world: worlds.World) -> None:
    first = world.back_up()
    assert world.call("RemoveBackup", backup_id=first.id) == "success"
    assert world.backups.call("ChangePackage", world.params(backups=0)) == "success"
    assert "No place is free" in world.call("UndoRemove", backup_id=first.id)

    reader = Actor(client_id="alice", name="Al", permissions=frozenset({"view", "create"}))
    said = world.backups.call("UndoRemove", {"serviceid": "1", "backup_id": first.id}, actor=reader)
    assert said == "Your account does not have the right to do this."
    assert world.backups.call("UndoRemove", {"serviceid": "1", "backup_id": first.id}, actor=ALICE) != "success"


@pytest.mark.flow
def test_bin_empties_by_itself_suspended_or_not(world: worlds.World) -> None:
    backup = world.back_up()
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    assert world.call("SuspendAccount") == "success"
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        clock.shift(timedelta(hours=23))
        assert empty_bin.empty(world.context) == 0
        clock.shift(timedelta(hours=2))
        assert (empty_bin.empty(world.context), empty_bin.empty(world.context)) == (1, 0)
        world.drain()

    [_, removal] = world.operations()
    assert (removal.origin, removal.actor, removal.state) == ("bin", "system", "done")
    assert world.proxmox.volumes("local") == []


def test_undo_that_comes_before_the_emptying_starts_wins(world: worlds.World) -> None:
    backup = world.back_up()
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True):
        assert empty_bin.empty(world.context) == 1
        with world.context.database.begin() as session:
            session.get_one(Backup, backup.id).binned_until = None
        world.drain()

    assert (world.operations()[-1].state, len(world.proxmox.volumes("local"))) == ("cancelled", 1)


def test_missing_backup_skips_the_bin(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-gone", volid=backup.volid)
    with world.context.database.begin() as session:
        session.get_one(Backup, backup.id).missing_at = backup.created_at

    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    world.drain()

    assert world.held() == []


def test_new_backup_takes_the_place_of_a_binned_one_after_it_is_seen(world: worlds.World) -> None:
    """Between operations there are never more files than the quota promises."""
    first, second = world.back_up(), world.back_up()
    assert world.call("RemoveBackup", backup_id=first.id) == "success"

    world.back_up()

    assert first.id not in {one.id for one in world.held()}
    assert second.id in {one.id for one in world.held()}
    assert len(world.proxmox.volumes("local")) == 2
    writes = [task.type for task in world.proxmox.tasks() if task.type in {"imgdel", "vzdump"}]
    assert writes == ["vzdump", "vzdump", "vzdump", "imgdel"]


def test_binned_backup_goes_first_only_where_the_storage_has_no_place_for_both(world: worlds.World) -> None:
    first, _ = world.back_up(), world.back_up()
    world.proxmox.control("storage-config", storage="local", **{"prune-backups": "keep-last=2"})
    assert world.call("RemoveBackup", backup_id=first.id) == "success"
    with world.context.database.begin() as session:
        for storage in session.query(Storage):
            storage.retention = None

    world.back_up()

    writes = [task.type for task in world.proxmox.tasks() if task.type in {"imgdel", "vzdump"}]
    assert writes == ["vzdump", "vzdump", "imgdel", "vzdump"]
