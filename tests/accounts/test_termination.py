"""Termination: what waits is cancelled, and the backups are purged afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import select
from support import world as worlds

from puq_backups.clock import purge_terminated
from puq_backups.models import AuditEntry

from .hook_log import HookLog


def test_end_of_a_service_cancels_what_waits_and_tells(world: worlds.World) -> None:
    told = HookLog().listen(world, "AfterBackupFailed")
    with world.backups.vm_action("1"):
        assert world.call("BackupNow") == "success"
        assert world.call("TerminateAccount") == "success"

    [operation] = world.operations()
    assert (operation.state, str(operation.why)) == ("cancelled", "The service was terminated.")
    [(_, given)] = told
    assert (given["operation_id"], given["state"]) == (operation.id, "cancelled")
    assert given["reason"] == "The service was terminated."


@pytest.mark.flow
def test_purge_takes_kept_backups_too_and_each_removal_is_written_down(world: worlds.World) -> None:
    kept, other = world.back_up(), world.back_up()
    assert world.call("KeepBackup", backup_id=kept.id, kept="1") == "success"
    assert world.call("TerminateAccount") == "success"

    assert purge_terminated.purge_due(world.context) == 2
    assert purge_terminated.purge_due(world.context) == 0
    world.drain()

    assert world.held() == []
    assert world.proxmox.volumes("local") == []
    with world.context.database.open() as session:
        written = session.scalars(select(AuditEntry).where(AuditEntry.actor == "termination")).all()
    assert {entry.text for entry in written} >= {
        f"no longer keep {kept.volid}", f"remove {kept.volid}", f"remove {other.volid}",
    }  # fmt: skip


@pytest.mark.parametrize("function", ["UnsuspendAccount", "CreateAccount"])
def test_service_that_goes_on_calls_its_purge_off(world: worlds.World, function: str) -> None:
    backup = world.back_up()
    assert world.call("TerminateAccount") == "success"
    assert purge_terminated.purge_due(world.context) == 1
    assert world.call("TerminateAccount") == "success"
    assert [one.state for one in world.operations()] == ["done", "waiting"]

    assert world.backups.call(function, world.params()) == "success"
    world.drain()

    assert [one.id for one in world.held()] == [backup.id]
    assert (world.operations()[-1].state, str(world.operations()[-1].why)) == ("cancelled", "The service goes on.")
    assert purge_terminated.purge_due(world.context) == 0


@pytest.mark.flow
def test_removal_that_fails_is_tried_again_after_a_pause(world: worlds.World) -> None:
    world.back_up()
    assert world.call("TerminateAccount") == "success"
    world.proxmox.control("storage-offline", storage="local")
    with time_machine.travel(datetime.now(UTC), tick=True) as clock:
        for minutes, asked in ((0, 1), (5, 0), (50, 0), (10, 1)):
            clock.shift(timedelta(minutes=minutes))
            assert purge_terminated.purge_due(world.context) == asked, minutes
            world.drain()

    assert [(one.kind, one.state) for one in world.operations()[1:]] == [("remove", "failed")] * 2
    assert len(world.held()) == 1
