"""Protection as it is stored: kept up to date by whatever changes, by the tick, and told to staff once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select
from support import world as worlds

from puq_backups.clock import periodic, protection, tick
from puq_backups.models import Mail, Storage
from puq_backups.simulator import Simulator

SUNDAY = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
NOON = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "12:00" for day in range(7)} | {"timezone": "UTC"}


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    with worlds.registered(proxmox, database_url, redis_url, bin_hours=24, staff_email="staff@example.org") as found:
        yield found


@pytest.fixture
def clock(world: worlds.World) -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(SUNDAY, tick=True) as found:
        assert world.call("SaveSchedule", **NOON) == "success"
        yield found


def state(world: worlds.World) -> str:
    return world.service().protection


def tick_and_sync(world: worlds.World) -> None:
    """What clock and worker do: the storages are seen, or not, before their silence is looked at."""
    periodic.sync_server(world.context, world.service().server_id, lambda: None)
    tick.tick(world.context)


def run(world: worlds.World, clock: time_machine.Coordinates, *, days: float, hours: float = 2.01) -> None:
    clock.move_to(SUNDAY + timedelta(days=days, hours=hours))
    tick_and_sync(world)
    world.drain()


def told(world: worlds.World) -> list[str]:
    with world.context.database.open() as session:
        mails = session.scalars(select(Mail.name).where(Mail.folder.like("service_%")).order_by(Mail.created_at))
        return list(mails)


def test_every_change_is_seen_at_once(world: worlds.World, clock: time_machine.Coordinates) -> None:
    assert state(world) == "starting"
    run(world, clock, days=0)
    assert (state(world), world.service().last_good_at is not None) == ("protected", True)
    [backup] = world.held()

    for call, wanted in (
        (lambda: world.call("RemoveBackup", backup_id=backup.id), "unprotected"),
        (lambda: world.call("UndoRemove", backup_id=backup.id), "protected"),
        (lambda: world.call("SuspendAccount"), "paused"),
        (lambda: world.call("UnsuspendAccount"), "protected"),
        (lambda: world.backups.call("ChangePackage", world.params(backups=0)), "unscheduled"),
        (lambda: world.backups.call("ChangePackage", world.params(backups=1)), "protected"),
        (lambda: world.call("KeepBackup", backup_id=backup.id, kept="1"), "at_risk"),
        (lambda: world.call("KeepBackup", backup_id=backup.id, kept="0"), "protected"),
        (lambda: world.call("SaveSchedule", timezone="UTC"), "unscheduled"),
    ):
        assert call() == "success"
        assert state(world) == wanted


@pytest.mark.slow
def test_service_that_is_unprotected_is_told_to_staff_once_and_once_when_it_ends(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    run(world, clock, days=0)
    world.proxmox.control("backup-error", vmid=100, text="no luck")
    for day in (1, 2, 3):
        for minutes in (1, 7, 23, 69, 200):
            run(world, clock, days=day, hours=2 + minutes / 60)
        assert state(world) == ("at_risk" if day == 1 else "unprotected")
    assert told(world) == ["Service unprotected"]

    world.proxmox.control("clear", of="backup-error", vmid=100)
    run(world, clock, days=4)

    assert state(world) == "protected"
    assert told(world) == ["Service unprotected", "Service protected again"]


def test_clock_that_stands_still_is_noticed_when_it_goes_on(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    """Also before the slots that were missed have a row."""
    run(world, clock, days=0)
    due = world.service().protection_changes_at
    clock.move_to(SUNDAY + timedelta(days=1, hours=14.1))
    assert due is not None
    assert due <= datetime.now(UTC)

    assert protection.refresh_due(world.context) == 1
    assert state(world) == "at_risk"
    clock.move_to(SUNDAY + timedelta(days=2, hours=14.1))
    with world.context.database.begin() as session:
        session.merge(world.service()).protection_changes_at = datetime.now(UTC)
    assert protection.refresh_due(world.context) == 1
    assert state(world) == "unprotected"


@pytest.mark.flow
def test_storage_that_is_silent_for_an_hour_leaves_protection_unknown(
    world: worlds.World, clock: time_machine.Coordinates
) -> None:
    run(world, clock, days=0)
    world.proxmox.control("storage-offline", storage="local")
    for hours, wanted in ((2.5, "protected"), (3.2, "unknown")):
        clock.move_to(SUNDAY + timedelta(hours=hours))
        tick_and_sync(world)
        tick_and_sync(world)
        assert state(world) == wanted, hours
    with world.context.database.open() as session:
        assert session.scalars(select(Storage.unseen).where(Storage.name == "local")).all() == [True]

    world.proxmox.control("storage-online", storage="local")
    clock.move_to(SUNDAY + timedelta(hours=4))
    tick_and_sync(world)
    tick_and_sync(world)
    assert state(world) == "protected"
    assert told(world) == []
