"""A service that gets another client or another VM: whose the backups are, and what they count for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select
from support import world as worlds
from support.waiting import wait_until
from support.world import STAFF

from puq_backups import Actor
from puq_backups.clock import purge_terminated
from puq_backups.models import Mail, Operation, Service
from puq_backups.operations import dispatch, engine
from puq_backups.simulator import Simulator
from puq_backups.simulator.world.task import Task

CAROL = Actor(client_id="carol", name="Carol")


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    with worlds.registered(proxmox, database_url, redis_url) as found:
        yield found


def area(world: worlds.World, actor: Actor = STAFF) -> dict[str, object]:
    return dict(world.backups.call("ClientArea", {"serviceid": "1"}, actor=actor)["vars"])


def test_backups_of_an_earlier_owner_are_nobodys_to_see(world: worlds.World) -> None:
    theirs = world.back_up("Alice's secret")
    world.register(client="carol")

    for actor in (CAROL, STAFF):
        found = area(world, actor)
        assert (found["backups"], found["quota"]) == ([], {"used": 0, "limit": 3})
        for function in ("RestoreBackup", "RemoveBackup", "DeleteBackup", "EditNote", "KeepBackup"):
            params = {"serviceid": "1", "backup_id": theirs.id, "confirm": "web100", "note": "x", "kept": "1"}
            assert world.backups.call(function, params, actor=actor) == "There is nothing here."
    assert len(world.proxmox.volumes("local")) == 1


@pytest.mark.flow
def test_backups_of_an_earlier_owner_go_after_the_grace(world: worlds.World) -> None:
    theirs = world.back_up()
    assert world.call("KeepBackup", backup_id=theirs.id, kept="1") == "success"
    world.register(client="carol")
    ours = world.back_up()

    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        clock.shift(timedelta(days=6))
        assert purge_terminated.purge_other_owners(world.context) == 0
        clock.shift(timedelta(days=1, minutes=1))
        assert purge_terminated.purge_other_owners(world.context) == 1
        assert purge_terminated.purge_other_owners(world.context) == 0
        world.drain()

    assert [volume.volid for volume in world.proxmox.volumes("local")] == [ours.volid]


def test_owner_who_comes_back_within_the_grace_has_them_again(world: worlds.World) -> None:
    backup = world.back_up()
    world.register(client="carol")
    world.register(client="alice")

    assert [one.id for one in world.held()] == [backup.id]
    assert area(world)["quota"] == {"used": 1, "limit": 3}
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30), tick=True):
        assert purge_terminated.purge_other_owners(world.context) == 0


def test_backups_of_the_clients_earlier_vm_are_shown_and_count_for_nothing(world: worlds.World) -> None:
    old = world.back_up()
    world.register(vmid=101)

    [shown] = area(world)["backups"]  # type: ignore[misc]  # the page's own facts
    assert (shown["id"], shown["earlier"], shown["counts"]) == (old.id, True, False)
    assert area(world)["quota"] == {"used": 0, "limit": 3}
    assert world.service().protection != "protected"
    client = Actor(client_id="alice", name="Alice")
    said = world.backups.call(
        "RestoreBackup", {"serviceid": "1", "backup_id": old.id, "confirm": world.service().vm_name}, actor=client
    )
    assert said == "This backup is from your earlier server. Ask support to restore it."
    assert "earlier server" in world.call("KeepBackup", backup_id=old.id, kept="1")

    assert world.call("RemoveBackup", backup_id=old.id) == "success"
    world.drain()
    assert (world.held(), world.proxmox.volumes("local")) == ([], [])


@pytest.mark.flow
def test_rotation_leaves_the_only_good_backup_of_the_present_vm(world: worlds.World) -> None:
    """However many of the earlier VM there are."""
    for _ in range(3):
        world.back_up()
    world.register(vmid=101, backups=1)
    present = world.back_up()

    assert "Quota full" in world.call("BackupNow")
    assert present.id in {one.id for one in world.held()}
    assert len(world.held()) == 4


@pytest.mark.flow
def test_service_that_returns_to_its_earlier_vm_has_its_backups_again(world: worlds.World) -> None:
    old = world.back_up()
    world.register(vmid=101)
    world.register(vmid=100)

    [shown] = area(world)["backups"]  # type: ignore[misc]  # the page's own facts
    assert (shown["id"], shown["earlier"], shown["counts"]) == (old.id, False, True)


def add_waiting(world: worlds.World, kind: str, origin: str = "manual", **more: str) -> None:
    with world.context.database.begin() as session:
        session.add(Operation.new(session.get_one(Service, "1"), kind, origin=origin, actor="alice", **more))


@pytest.mark.parametrize("kind", ["backup", "restore", "remove"])
def test_what_an_earlier_owner_asked_for_does_not_begin(world: worlds.World, kind: str) -> None:
    theirs = world.back_up()
    add_waiting(world, kind, backup_id=theirs.id, storage="local")
    asked = len(world.proxmox.requests())
    world.register(client="carol")
    world.drain()

    last = world.operations()[-1]
    assert (last.state, str(last.why)) == ("cancelled", "The service has another owner or server by now.")
    assert {one.method for one in world.proxmox.requests()[asked:]} == {"GET"}


def test_slot_that_waits_is_the_new_owners(world: worlds.World) -> None:
    add_waiting(world, "backup", "scheduled", slot_date="2026-01-01", storage="local")
    world.register(client="carol")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.held()) == 1
    assert area(world, CAROL)["quota"] == {"used": 1, "limit": 3}


def recipients(world: worlds.World) -> list[str]:
    with world.context.database.open() as session:
        return list(session.scalars(select(Mail.recipient)))


def test_failure_of_an_operation_of_an_earlier_owner_is_not_mailed_to_the_new_one(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("task-fails", type="qmrestore", text="no")
    world.proxmox.control("hold-task", type="qmrestore")
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    wait_until(lambda: any(task.running for task in after_a_step(world)))
    world.register(client="carol")
    world.proxmox.control("release", of="hold-task")
    world.drain()

    assert world.operations()[-1].state == "failed"
    assert [one for one in recipients(world) if one.startswith("carol")] == []


def test_archive_that_was_begun_for_an_earlier_owner_stays_theirs(world: worlds.World) -> None:
    world.proxmox.control("hold-task", type="vzdump")
    assert world.call("BackupNow") == "success"
    dispatch.start_waiting(world.context)
    wait_until(lambda: any(task.running for task in after_a_step(world)))
    world.register(client="carol")
    world.proxmox.control("release", of="hold-task")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert (area(world, CAROL)["backups"], area(world, CAROL)["quota"]) == ([], {"used": 0, "limit": 3})
    with time_machine.travel(datetime.now(UTC) + timedelta(days=7, minutes=1), tick=True):
        assert purge_terminated.purge_other_owners(world.context) == 1


def after_a_step(world: worlds.World) -> list[Task]:
    """The tasks of Proxmox after one more step of the newest operation."""
    engine.advance(world.context, world.operations()[-1].id)
    return world.proxmox.tasks()


def test_what_became_of_an_earlier_owners_operations_is_not_told(world: worlds.World) -> None:
    world.back_up("Alice's secret")
    world.register(client="carol")

    found = area(world, CAROL)
    assert found["last_operation"] is None
    assert {day["state"] for day in found["history"]["days"]} == {"none"}
    assert found["history"]["curve"] is None
