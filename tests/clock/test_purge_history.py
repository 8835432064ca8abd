"""History older than the setting goes in small batches; what anything still refers to stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select
from support import world as worlds

from puq_backups.clock import periodic, purge_history, purge_terminated
from puq_backups.models import AuditEntry, Backup, Mail, Operation, Service, now
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    with worlds.registered(proxmox, database_url, redis_url, history="100d") as found:
        yield found


def later(days: int) -> time_machine.travel:
    return time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True)


def count(world: worlds.World, model: type) -> int:
    with world.context.database.open() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


@pytest.mark.databases
@pytest.mark.flow
def test_old_rows_go_and_those_that_are_needed_stay(world: worlds.World) -> None:
    removed, existing = world.back_up(), world.back_up()
    assert world.call("RemoveBackup", backup_id=removed.id) == "success"
    world.drain()
    periodic.sync_all(world.context)
    assert count(world, Backup) == 2
    with world.context.database.begin() as session:
        failed = Operation.new(session.get_one(Service, "1"), "restore", origin="manual", actor="test")
        failed.state, failed.finished_at = "failed", failed.created_at
        session.add(failed)
        session.get_one(Service, "1").restore_failed = failed.id

    with later(99):
        assert purge_history.purge(world.context) == 0
    with later(101):
        assert purge_history.purge(world.context) > 0
        assert purge_history.purge(world.context) == 0

    assert [one.id for one in world.held()] == [existing.id]
    assert count(world, Backup) == 1
    assert {one.id for one in world.operations()} == {existing.operation_id, failed.id}
    assert count(world, AuditEntry) == count(world, Mail) == 0


def test_removed_backup_stays_until_its_volume_was_seen_to_be_gone(world: worlds.World) -> None:
    backup = world.back_up()
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    world.drain()

    with later(500):
        purge_history.purge(world.context)

    assert count(world, Backup) == 1
    # The operation that made it is needed to know the archive again.
    assert backup.operation_id in {one.id for one in world.operations()}


@pytest.mark.flow
def test_command_does_all_of_it_at_once_and_shows_its_progress(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock leaves what is beyond its batches to the next run; terminated services come with it."""
    monkeypatch.setattr(purge_history, "BATCH", 2)
    monkeypatch.setattr(purge_history, "BATCHES", 1)
    monkeypatch.setattr(purge_terminated, "BATCH", 1)
    world.back_up()
    world.register("2", 101)
    assert world.back_up(service_id="2").removed_at is None
    assert world.call("TerminateAccount") == world.call("TerminateAccount", "2") == "success"
    with world.context.database.begin() as session:
        session.add_all(AuditEntry(at=now(), actor="test", action="test", text=str(number)) for number in range(20))

    with later(101):
        assert purge_history.purge(world.context) < 10
        found = world.app.test_cli_runner().invoke(args=["backups", "purge"])

        assert found.exit_code == 0, found.output
        assert count(world, AuditEntry) == 0
    assert [one.kind for one in world.operations("2") if one.origin == "purge"] == ["remove"]
    assert "Terminated services: 2 of 2" in found.stderr
    assert re.search(r"^Audit log, batches of 2: (\d+) of \1$", found.stderr, re.MULTILINE)
    assert found.stdout.startswith("2 removals of backups were created, ")
