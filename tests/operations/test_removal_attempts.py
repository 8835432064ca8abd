"""What is removed is decided from what is so then, whatever an earlier attempt meant to remove."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.models import Backup
from puq_backups.operations import dispatch, engine

pytestmark = pytest.mark.slow

SUNDAY = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
NOON = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "12:00" for day in range(7)} | {"timezone": "UTC"}


@pytest.fixture
def clock(world: worlds.World) -> Iterator[time_machine.Coordinates]:
    """Two backups, A and B, fill the quota; the third day's run is about to come."""
    with time_machine.travel(SUNDAY, tick=True) as found:
        assert world.backups.call("ChangePackage", world.params(backups=2)) == "success"
        assert world.call("SaveSchedule", **NOON) == "success"
        for day in (0, 1):
            run(world, found, days=day)
        yield found


def run(world: worlds.World, clock: time_machine.Coordinates, *, days: float, minutes: float = 1) -> None:
    clock.move_to(SUNDAY + timedelta(days=days, hours=2, minutes=minutes))
    tick.tick(world.context)
    world.drain()


def held(world: worlds.World) -> set[str]:
    return {backup.id for backup in world.held()}


def on_storage(world: worlds.World) -> set[str]:
    return {volume.volid for volume in world.proxmox.volumes("local")}


def fail_removals(world: worlds.World, *, times: int) -> None:
    world.proxmox.control("task-fails", type="imgdel", times=times, text="cannot remove: Device or resource busy")


def remove_by_hand(world: worlds.World, clock: time_machine.Coordinates, backup: Backup) -> None:
    assert world.call("DeleteBackup", backup_id=backup.id) == "success"
    world.drain()


def test_removal_that_failed_is_not_carried_over_to_the_next_attempt(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    """A is to go and cannot; the client removes B; A is the last backup then, and the next attempt fails."""
    first, second = world.held()
    fail_removals(world, times=1)
    run(world, clock, days=2)
    assert (world.operations()[-1].state, held(world)) == ("waiting", {first.id, second.id})

    remove_by_hand(world, clock, second)
    world.proxmox.control("backup-error", vmid=100, text="no luck")
    for minutes in (7, 23, 69):
        run(world, clock, days=2, minutes=minutes)

    assert (held(world), on_storage(world)) == ({first.id}, {first.volid})


def test_backup_that_is_kept_meanwhile_stays(world: worlds.World, clock: time_machine.Coordinates) -> None:
    first, second = world.held()
    fail_removals(world, times=1)
    run(world, clock, days=2)

    assert world.call("KeepBackup", backup_id=first.id, kept="1") == "success"
    run(world, clock, days=2, minutes=7)

    assert world.operations()[-1].state == "done"
    assert first.id in held(world)
    assert second.id not in held(world)


def test_surplus_that_cannot_be_removed_does_not_fail_a_slot_whose_archive_is_good(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    assert world.backups.call("ChangePackage", world.params(backups=2, rotation="after")) == "success"
    first, _ = world.held()
    fail_removals(world, times=1)
    run(world, clock, days=2)

    slot = world.operations()[-1]
    assert (slot.state, slot.attempts) == ("done", 1)
    assert "resource busy" in str(slot.warnings)
    assert first.id in held(world)

    run(world, clock, days=3)
    assert len(held(world)) == len(on_storage(world)) == 2


def test_last_backup_stays_where_the_other_went_behind_our_back(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    first, second = world.held()
    world.proxmox.control("archive-gone", volid=second.volid)
    run(world, clock, days=2)

    assert world.operations()[-1].state == "done"
    assert first.volid in on_storage(world)
    assert len(on_storage(world)) == 2


def test_world_that_changes_before_the_intent_is_committed_is_looked_at_again(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    """The client keeps A after the run has chosen it, and before it says so to Proxmox."""
    first, second = world.held()
    seen: list[str] = []

    def keep_first() -> None:
        if not seen:
            seen.append("kept")
            assert world.call("KeepBackup", backup_id=first.id, kept="1") == "success"

    clock.move_to(SUNDAY + timedelta(days=2, hours=2, minutes=1))
    tick.tick(world.context)
    [slot] = [one for one in world.operations() if one.state == "running"]
    while world.operations()[-1].step != "make_room":
        engine.advance(world.context, slot.id)
    keep_first()
    world.drain()

    assert first.id in held(world)
    assert second.id not in held(world)


def test_removal_whose_end_nobody_saw_counts_for_its_slot(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    """The worker dies after Proxmox has removed A; the attempt that follows removes nothing more."""
    first, second = world.held()
    fail_removals(world, times=1)
    run(world, clock, days=2)
    world.proxmox.control("archive-gone", volid=first.volid)
    run(world, clock, days=2, minutes=7)

    assert world.operations()[-1].state == "done"
    assert second.id in held(world)
    assert len(held(world)) == len(on_storage(world)) == 2


def test_disks_of_an_archive_without_its_log_come_from_its_configuration(world: worlds.World) -> None:
    """The answer to the call is lost, and so is the task: only the marker leads to the archive."""
    world.proxmox.control("vm-config", vmid=100, set={"scsi5": "local-lvm:vm-100-disk-9,size=1G,backup=0"})
    disks = world.back_up().disks
    world.proxmox.control("drop", method="POST", path="*/vzdump", when="after")
    assert world.call("BackupNow") == "success"
    dispatch.start_waiting(world.context)
    operation = world.operations()[-1]
    while world.operations()[-1].upid is None and not world.proxmox.volumes("local")[1:]:
        engine.advance(world.context, operation.id)
    world.proxmox.control("task-lost")
    world.drain()

    assert [backup.disks for backup in world.held()] == [disks, disks]


def test_backup_that_failed_its_verification_a_moment_ago_is_no_survivor(world: worlds.World) -> None:
    """No sync has seen it yet, but the listing that rotation looks at says it."""
    with time_machine.travel(SUNDAY, tick=True) as clock:
        assert world.backups.call("ChangePackage", world.params(backups=2, storage="pbs")) == "success"
        assert world.call("SaveSchedule", **NOON) == "success"
        for day in (0, 1):
            run(world, clock, days=day)
        first, second = world.held()
        # The sync of this hour has been.
        run(world, clock, days=2, minutes=-5)
        world.proxmox.control("verification", volid=second.volid, state="failed")
        world.proxmox.control("backup-error", vmid=100, text="no luck")
        for minutes in (1, 7, 23, 69):
            run(world, clock, days=2, minutes=minutes)

        assert first.volid in {volume.volid for volume in world.proxmox.volumes("pbs")}
