"""Lifecycle calls of the host: hooks, audit entries, and their effect on service and backups."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from support import world as worlds
from support.world import ALICE, STAFF

from puq_backups import SYSTEM, Refused
from puq_backups.clock import purge_terminated
from puq_backups.models import AuditEntry, Service
from puq_backups.models.audit_log import audit
from puq_backups.simulator import Simulator

VERBS = {
    "CreateAccount": "Create", "SuspendAccount": "Suspend", "UnsuspendAccount": "Unsuspend",
    "ChangePackage": "ChangePackage", "TerminateAccount": "Terminate",
}  # fmt: skip
WEEK = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "00:00" for day in range(7)} | {"timezone": "UTC"}


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url, termination_grace=0)
    found.register()
    yield found
    found.context.database.engine.dispose()


class Told(list[tuple[str, dict[str, Any]]]):
    """The lifecycle hooks that were run, in order."""

    def listen(self, world: worlds.World, *points: str) -> Told:
        for point in points:
            world.backups.hooks.add(point, self.hook(point))
        return self

    def hook(self, point: str) -> Any:
        return lambda **given: self.append((point, given))

    def take(self) -> list[str]:
        names = [point for point, _ in self]
        self.clear()
        return names


def facts(world: worlds.World) -> tuple[str, int, str]:
    service = world.service()
    return service.status, service.quota, service.client_id


@pytest.mark.parametrize("function", VERBS)
def test_each_command_may_be_stopped_and_is_told(world: worlds.World, function: str) -> None:
    verb, hooks = VERBS[function], world.backups.hooks
    told = Told().listen(world, f"PreModule{verb}", f"AfterModule{verb}", f"AfterModule{verb}Failed")
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
    told = Told().listen(world, "LogActivity")
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
    told = Told().listen(world, *points)
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
    told = Told().listen(world, "AfterModuleTerminate", "AfterModuleTerminateFailed")

    for verb in ("ChangePackage", "Terminate", "ChangePassword", "Custom"):
        with pytest.raises(Refused, match="A backup is being made"), world.backups.vm_command(verb, {"serviceid": 1}):
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
    assert "Quota full (1 of 1)." in world.call("BackupNow")
    assert world.call("ClientArea")["vars"]["schedule"]["next_removal"] == [first.id, second.id]
    assert world.call("KeepBackup", backup_id=first.id, kept="1") == "success"
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


def test_end_of_a_service_cancels_what_waits_and_tells(world: worlds.World) -> None:
    told = Told().listen(world, "AfterBackupFailed")
    with world.backups.vm_action("1"):
        assert world.call("BackupNow") == "success"
        assert world.call("TerminateAccount") == "success"

    [operation] = world.operations()
    assert (operation.state, str(operation.why)) == ("cancelled", "The service was terminated.")
    [(_, given)] = told
    assert (given["operation_id"], given["state"]) == (operation.id, "cancelled")
    assert given["reason"] == "The service was terminated."


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


@pytest.mark.parametrize("quota", ["", None, "many", -1, 2.5])
def test_quota_that_cannot_be_read_keeps_the_last_one_and_staff_is_told(world: worlds.World, quota: Any) -> None:
    """Zero is a quota like any other, whoever of the two says it."""
    for bought, limit in (
        ({"Backups": 7}, 7),
        ({"Backups": quota}, 7),
        ({"Backups": "0"}, 0),
        ({"Backups": quota}, 0),
    ):
        params = world.params(backups=9) | {"configoptions": bought}
        assert world.backups.call("ChangePackage", params) == "success"
        assert world.service().quota == limit

    with world.context.database.open() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "quota").order_by(AuditEntry.at)).all()
    assert [entry.text for entry in told] == [
        f"The quota (Backups) of service 1 is empty or unreadable; {stays} stays." for stays in (7, 0)
    ]


@pytest.mark.parametrize("quota", ["3 Backups", "5.00", "Unlimited", "-1", "1000000", "9" * 5000])
def test_quota_that_cannot_be_read_is_refused_at_create_account(world: worlds.World, quota: str) -> None:
    for params in (
        world.params("2", 101, "bob", backups=quota),
        world.params("2", 101, "bob") | {"configoptions": {"Backups": quota}},
    ):
        answer = world.backups.call("CreateAccount", params)
        assert answer == f"Backups must be a number from 0 to 999999; it is {quota}."

    with world.context.database.open() as session:
        assert session.get(Service, "2") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serverport", "9" * 5000), ("serverhostname", ",".join(["pve1.example.org"] * 40)),
        ("serverusername", f"u@pve!{'x' * 300}"), ("serveraccesshash", "AB:" * 900),
        ("customfields", {"vmid": "1" * 5000}), ("customfields", {"vmid": 100, "node": "n" * 65}),
        ("configoption2", "s" * 200), ("configoption6", "9" * 5000),
    ],
)  # fmt: skip
def test_value_longer_than_the_database_holds_is_refused_by_its_name(
    world: worlds.World, name: str, value: Any
) -> None:
    answer = world.backups.call("CreateAccount", world.params("2", 101, "bob") | {name: value})

    named = {"customfields": ("vmid", "node"), "configoption2": ("storage",), "configoption6": ("RAM MiB",)}
    assert any(word in answer for word in named.get(name, (name,))), answer
    assert "our side" not in answer


@pytest.mark.parametrize("zone", ["Factory", "localtime", "Mars/Phobos"])
def test_zone_that_no_schedule_may_have_is_not_taken_from_the_client(world: worlds.World, zone: str) -> None:
    params = world.params("2", 101, "bob")
    params["clientsdetails"]["timezone"] = zone
    assert world.backups.call("CreateAccount", params) == "success"

    assert world.service("2").schedule["timezone"] == "UTC"


def test_vm_that_is_the_registered_one_again_is_no_trouble_any_more(world: worlds.World) -> None:
    real = world.service().vm_identity
    for identity, troubled in (("uuid=another", True), (real, False)):
        with world.context.database.begin() as session:
            service = session.get_one(Service, "1")
            service.vm_identity, service.problem = identity, {"text": "Another machine.", "values": {}}
        world.register()
        assert (world.service().problem is not None, world.service().vm_identity) == (troubled, identity)


def test_service_of_another_owner_or_vm_gets_a_token_of_its_own(world: worlds.World) -> None:
    token, identity = world.service().token, world.service().vm_identity
    world.register()
    assert (world.service().token, world.service().vm_identity) == (token, identity)

    world.register(client="carol")
    assert (world.service().token != token, world.service().vm_identity) == (True, identity)
    token = world.service().token
    world.register(vmid=101, client="carol")
    assert world.service().token != token
    assert world.service().vm_identity != identity


@pytest.mark.parametrize("command", ["CreateAccount", "ChangePackage"])
def test_another_token_of_the_same_proxmox_leaves_a_service_its_backups(world: worlds.World, command: str) -> None:
    backup = world.back_up()
    token_id, secret = world.proxmox.tokens["reinstall"]
    params = {**world.params(), "serverusername": token_id, "serverpassword": secret}
    assert world.call(command, **params) == "success"

    assert world.held()[0].server_id == world.service().server_id == backup.server_id
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()
    assert (world.operations()[-1].state, len(world.held())) == ("done", 1)
