"""Lifecycle calls of the host: hooks, audit entries, and their effect on service and backups."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds
from support.world import ALICE, STAFF

from puq_backups import SYSTEM, Refused
from puq_backups.models import AuditEntry
from puq_backups.models.audit_log import audit

from .hook_log import HookLog

VERBS = {
    "CreateAccount": "Create", "SuspendAccount": "Suspend", "UnsuspendAccount": "Unsuspend",
    "ChangePackage": "ChangePackage", "TerminateAccount": "Terminate",
}  # fmt: skip
WEEK = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "00:00" for day in range(7)} | {"timezone": "UTC"}


def facts(world: worlds.World) -> tuple[str, int, str]:
    service = world.service()
    return service.status, service.quota, service.client_id


@pytest.mark.parametrize("function", VERBS)
def test_each_command_may_be_stopped_and_is_told(world: worlds.World, function: str) -> None:
    verb, hooks = VERBS[function], world.backups.hooks
    told = HookLog().listen(world, f"PreModule{verb}", f"AfterModule{verb}", f"AfterModule{verb}Failed")
    params = world.params(backups=5)
    answers: list[Any] = []
    hooks.add(f"PreModule{verb}", lambda: answers[0] if answers else None)

    assert world.backups.call(function, params) == "success"
    assert [given["params"] for _, given in told] == [params, params]
    assert told.take() == [f"PreModule{verb}", f"AfterModule{verb}"]
    before = facts(world)

    answers[:] = [{"abortcmd": True, "reason": "Not in August."}]
    assert world.backups.call(function, world.params(backups=9)) == "Not in August."
    assert told.take() == [f"PreModule{verb}"]

    answers[:] = [{"userid": "carol", "serviceid": "7", "configoption1": 8}]
    assert world.backups.call(function, params) == "success"
    assert told[-1][1]["params"] == {**params, "userid": "carol", "configoption1": 8}
    assert facts(world) == (before[0], 8, "carol" if verb == "Create" else "alice")
    told.clear()

    failing = {**params, "serviceid": "9", "customfields": {"vmid": 4711}}
    answers.clear()
    said = world.backups.call(function, failing)
    assert (told[1][1]["failureResponseMessage"], told[1][1]["params"]) == (said, failing)
    assert told.take() == [f"PreModule{verb}", f"AfterModule{verb}Failed"]

    hooks.add(f"PreModule{verb}", lambda: 1 / 0)
    before = facts(world)
    assert "the log has the details" in world.backups.call(function, world.params(backups=2))
    assert facts(world) == before
    assert told.take() == [f"PreModule{verb}"]


def test_error_after_a_command_undoes_nothing(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    world.backups.hooks.add("AfterModuleSuspend", lambda: 1 / 0)

    assert world.call("SuspendAccount") == "success"
    assert world.service().status == "suspended"
    assert "at AfterModuleSuspend failed" in caplog.text


def test_each_command_is_written_down_with_who_gave_it(world: worlds.World) -> None:
    world.host.actor = ALICE
    for actor, function in ((STAFF, "SuspendAccount"), (None, "UnsuspendAccount"), (SYSTEM, "ChangePackage")):
        assert world.backups.call(function, world.params(backups=6), actor=actor) == "success"

    with world.context.database.open() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.at)).all()
    assert [(entry.action, entry.actor, entry.text) for entry in entries] == [
        ("create", "staff (system)", "VM 100 on pve1, 3 backups"),
        ("suspend", "staff (Steve)", "6 backups"),
        ("unsuspend", "staff (system)", "6 backups"),
        ("change_package", "staff (system)", "6 backups"),
    ]


def test_entries_of_the_activity_log_are_told_after_their_commit(world: worlds.World) -> None:
    """And not where the transaction is rolled back."""
    told = HookLog().listen(world, "LogActivity")
    seen: list[int] = []

    def look() -> None:
        with world.context.database.open() as session:
            seen.append(len(session.scalars(select(AuditEntry)).all()))

    world.backups.hooks.add("LogActivity", look)
    assert world.backups.call("SuspendAccount", world.params(), actor=STAFF) == "success"
    with world.context.database.open() as session:
        audit(session, "1", None, "never", "rolled back")
        session.flush()
        session.rollback()
        session.commit()

    assert [given for _, given in told] == [{
        "description": "3 backups", "user": "staff (Steve)", "action": "suspend", "service_id": "1",
        "operation_id": None, "context": world.context,
    }]  # fmt: skip
    assert seen == [2]


def test_own_commands_of_a_host_have_the_points_around_them(world: worlds.World) -> None:
    points = [f"{when}Module{verb}{end}" for verb in ("ChangePassword", "Custom") for when, end in
              (("Pre", ""), ("After", ""), ("After", "Failed"))]  # fmt: skip
    told = HookLog().listen(world, *points)
    world.backups.hooks.add("PreModuleChangePassword", lambda: {"password": "longer"})

    with world.backups.vm_command("ChangePassword", {"serviceid": 1, "password": "p"}) as params:
        assert params == {"serviceid": 1, "password": "longer"}
        with pytest.raises(Refused), world.backups.vm_action("1"):
            pass
    assert told.take() == ["PreModuleChangePassword", "AfterModuleChangePassword"]

    with pytest.raises(OSError), world.backups.vm_command("Custom", {"serviceid": 1}, "Start"):  # noqa: PT011 - any
        raise OSError("no such machine")
    assert [given.get("function") for _, given in told] == ["Start", "Start"]
    assert told[0][1]["own"] is False
    assert told[1][1]["failureResponseMessage"] == "no such machine"
    assert told.take() == ["PreModuleCustom", "AfterModuleCustomFailed"]

    for wrong in ("Create", "Destroy"):
        with pytest.raises(Refused, match="is not one of"), world.backups.vm_command(wrong, {"serviceid": 1}):
            pass
    with world.backups.vm_action("1"):
        pass


def test_own_commands_of_a_host_wait_for_a_backup_and_ours_do_not(world: worlds.World) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=30)
    assert world.call("BackupNow") == "success"
    told = HookLog().listen(world, "AfterModuleTerminate", "AfterModuleTerminateFailed")

    for verb in ("ChangePackage", "Terminate", "ChangePassword", "Custom"):
        with (
            pytest.raises(Refused, match="until this backup is done"),
            world.backups.vm_command(verb, {"serviceid": 1}),
        ):
            pytest.fail("the machine was touched")
    assert told.take() == []
    for function in ("ChangePackage", "SuspendAccount", "UnsuspendAccount", "TerminateAccount"):
        assert world.backups.call(function, world.params(backups=7)) == "success"
    assert told.take() == ["AfterModuleTerminate"]
    world.drain()
    assert (world.operations()[0].state, world.proxmox.tasks("vzdump")) == ("cancelled", [])


def test_lowered_quota_removes_nothing_and_shows_what_goes(world: worlds.World) -> None:
    first, second = world.back_up(), world.back_up()
    assert world.call("SaveSchedule", **WEEK) == "success"
    assert world.backups.call("ChangePackage", world.params(backups=1)) == "success"

    assert len(world.held()) == 2
    assert "Quota full (2 of 1)." in world.call("BackupNow")
    assert world.call("ClientArea")["vars"]["schedule"]["next_removal"] == [first.id, second.id]
    assert world.call("KeepBackup", backup_id=first.id, kept="1") == "success"
    assert "Choose “Do not keep” for one" in world.call("BackupNow")
    # The only place is taken by a kept one: none is made, so none goes.
    assert world.call("ClientArea")["vars"]["schedule"]["next_removal"] == []


def test_package_changed_while_a_restore_runs_counts_at_once(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("slow-restore", vmid=100, seconds=30)
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"

    assert world.backups.call("ChangePackage", world.params(backups=9, cores=3)) == "success"
    quota = world.call("ClientArea")["vars"]["quota"]
    assert (quota["used"], quota["limit"]) == (1, 9)
    assert world.operations()[-1].state == "running"
