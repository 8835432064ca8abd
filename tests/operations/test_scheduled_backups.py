"""Scheduled runs, as the feature text has them: once a day, late but not too late, the oldest out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from support import world as worlds

from puq_backups.clock import periodic, tick
from puq_backups.models import Backup

SUNDAY = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
NOON = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "12:00" for day in range(7)} | {"timezone": "UTC"}


@pytest.fixture
def clock(world: worlds.World) -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(SUNDAY, tick=True) as found:
        assert world.call("SaveSchedule", **NOON) == "success"
        yield found


def run(world: worlds.World, clock: time_machine.Coordinates, *, days: float, hours: float = 2.01) -> None:
    clock.move_to(SUNDAY + timedelta(days=days, hours=hours))
    tick.tick(world.context)
    periodic.sync_server(world.context, world.service().server_id, lambda: None)
    world.drain()


def outcomes(world: worlds.World) -> list[tuple[str | None, str]]:
    return [(operation.slot_date, operation.state) for operation in world.operations()]


def test_slot_runs_at_its_time_and_not_before(world: worlds.World, clock: time_machine.Coordinates) -> None:
    run(world, clock, days=0, hours=1.9)
    assert outcomes(world) == []

    run(world, clock, days=0)
    run(world, clock, days=0, hours=3)

    assert outcomes(world) == [("2026-11-29", "done")]
    assert world.held()[0].kind == "scheduled"


def test_slot_late_within_the_catch_up_runs_past_midnight(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    run(world, clock, days=0, hours=13.9)

    assert outcomes(world) == [("2026-11-29", "done")]
    assert world.held()[0].local_date == "2026-11-29"


def test_slot_later_than_the_catch_up_is_recorded_as_missed(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    run(world, clock, days=0, hours=15)

    assert outcomes(world) == [("2026-11-29", "missed")]
    assert world.proxmox.tasks("vzdump") == []


@pytest.mark.flow
def test_slot_with_todays_backup_is_skipped(world: worlds.World, clock: time_machine.Coordinates) -> None:
    world.back_up()
    run(world, clock, days=0)

    assert outcomes(world)[-1] == ("2026-11-29", "skipped")
    assert len(world.held()) == 1


@pytest.mark.flow
def test_full_quota_removes_the_oldest_first(world: worlds.World, clock: time_machine.Coordinates) -> None:
    for day in range(3):
        run(world, clock, days=day)
    oldest = world.held()[0]
    run(world, clock, days=3)

    assert len(world.held()) == 3
    assert oldest.id not in {backup.id for backup in world.held()}
    writes = [task.type for task in world.proxmox.tasks() if task.type in {"imgdel", "vzdump"}]
    assert writes[-2:] == ["imgdel", "vzdump"]
    assert len(world.proxmox.volumes("local")) == 3


@pytest.mark.flow
def test_quota_of_one_keeps_the_old_backup_until_the_new_one_is_safe(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    world.call("ChangePackage", **world.params(backups=1))
    run(world, clock, days=0)
    world.proxmox.control("backup-error", vmid=100, text="no luck")
    run(world, clock, days=1)
    assert [backup.local_date for backup in world.held()] == ["2026-11-29"]

    world.proxmox.control("clear", of="backup-error", vmid=100)
    run(world, clock, days=1, hours=2.5)

    assert [backup.local_date for backup in world.held()] == ["2026-11-30"]


@pytest.mark.slow
def test_failed_slot_is_tried_again_after_pauses_then_fails(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    world.proxmox.control("backup-error", vmid=100, text="no luck")
    for minutes in (1, 3, 7, 23, 69, 200):
        run(world, clock, days=0, hours=2 + minutes / 60)

    assert outcomes(world) == [("2026-11-29", "failed")]
    assert len(world.proxmox.tasks("vzdump")) == 4
    assert "no luck" in str(world.operations()[0].why)


@pytest.mark.slow
def test_rotation_removes_at_most_one_over_all_attempts(world: worlds.World, clock: time_machine.Coordinates) -> None:
    for day in range(3):
        run(world, clock, days=day)
    world.proxmox.control("backup-error", vmid=100, text="no luck")
    for minutes in (1, 7, 23, 69, 200):
        run(world, clock, days=3, hours=2 + minutes / 60)

    assert outcomes(world)[-1] == ("2026-12-02", "failed")
    assert len(world.held()) == 2


@pytest.mark.slow
def test_full_quota_of_kept_backups_is_refused(world: worlds.World, clock: time_machine.Coordinates) -> None:
    for day in range(3):
        run(world, clock, days=day)
    for backup in world.held():
        assert world.call("KeepBackup", backup_id=backup.id, kept="1") == "success"
    run(world, clock, days=3)

    assert outcomes(world)[-1] == ("2026-12-02", "refused")
    assert "kept" in str(world.operations()[-1].why)
    assert len(world.held()) == 3


@pytest.mark.slow
def test_nothing_is_removed_for_a_run_that_cannot_start(world: worlds.World, clock: time_machine.Coordinates) -> None:
    for day in range(3):
        run(world, clock, days=day)
    world.proxmox.control("storage-offline", storage="local")
    run(world, clock, days=3)

    assert len(world.held()) == 3
    assert world.proxmox.tasks("imgdel") == []


def test_quota_of_zero_makes_none_and_removes_none(world: worlds.World, clock: time_machine.Coordinates) -> None:
    run(world, clock, days=0)
    world.call("ChangePackage", **world.params(backups=0))
    run(world, clock, days=1)

    assert outcomes(world)[-1] == ("2026-11-30", "refused")
    assert len(world.held()) == 1


@pytest.mark.flow
def test_suspended_service_makes_no_backup_until_it_is_back(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    world.call("SuspendAccount")
    run(world, clock, days=1)
    assert outcomes(world) == []

    world.call("UnsuspendAccount")
    run(world, clock, days=2)

    assert outcomes(world) == [("2026-12-01", "done")]


def test_saving_a_time_already_past_runs_at_once(world: worlds.World, clock: time_machine.Coordinates) -> None:
    world.call("SaveSchedule", **{**NOON, "time_0": "09:00"})
    run(world, clock, days=0, hours=0.1)

    assert outcomes(world) == [("2026-11-29", "done")]


@pytest.mark.flow
def test_terminated_service_loses_its_backups_after_the_grace(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    world.back_up()
    world.call("TerminateAccount")
    run(world, clock, days=6)
    assert len(world.held()) == 1

    run(world, clock, days=8)
    run(world, clock, days=8, hours=3)

    assert world.held() == []
    assert world.proxmox.volumes("local") == []


def test_empty_listing_removes_no_row(world: worlds.World, clock: time_machine.Coordinates) -> None:
    world.back_up()
    world.proxmox.control("acl", path="/", user="panel@pve!puq", role="Panel", delete=True)
    world.proxmox.control("acl", path="/storage", user="panel@pve!puq", role="PVEDatastoreUser")
    world.proxmox.control("acl", path="/vms", user="panel@pve!puq", role="PVEAuditor")
    run(world, clock, days=1, hours=1)
    run(world, clock, days=1, hours=1.9)

    assert [backup.missing_at for backup in world.held()] == [None]


def test_volume_gone_for_two_syncs_is_missing_and_frees_its_place(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-gone", volid=backup.volid)
    run(world, clock, days=0, hours=0.5)
    assert world.held()[0].missing_at is None

    run(world, clock, days=0, hours=1.7)

    with world.context.database.open() as session:
        assert session.get_one(Backup, backup.id).missing_at is not None
    assert world.call("ClientArea")["vars"]["quota"] == {"used": 0, "limit": 3}


def test_slot_due_before_a_save_is_not_dropped_by_it(world: worlds.World, clock: time_machine.Coordinates) -> None:
    clock.move_to(SUNDAY + timedelta(hours=2.2))
    assert world.call("SaveSchedule", **{**NOON, "time_0": "23:00"}) == "success"
    run(world, clock, days=0, hours=2.3)

    assert outcomes(world) == [("2026-11-29", "done")]


def test_slot_due_before_a_package_change_is_not_dropped_by_it(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    clock.move_to(SUNDAY + timedelta(hours=2.2))
    assert world.call("ChangePackage", **world.params(backups=2)) == "success"
    assert world.call("CreateAccount", **world.params(backups=2)) == "success"
    run(world, clock, days=0, hours=2.3)

    assert outcomes(world) == [("2026-11-29", "done")]
