"""VM actions of the host (`vm_action`): what they wait for, and what waits for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from support import world as worlds

from puq_backups import Refused
from puq_backups.models import Service, now
from puq_backups.operations import dispatch

from .running_operations import BEING_MADE, POINTS, advance_until, begin_backup, begin_restore, finish, run_vm_action


@pytest.mark.flow
def test_vm_action_is_refused_while_a_backup_runs_and_works_again_after(world: worlds.World) -> None:
    begin_backup(world)
    assert world.backups.lock_reason("1") == BEING_MADE
    with pytest.raises(Refused, match="until this backup is done"):
        run_vm_action(world)

    finish(world)

    assert world.backups.lock_reason("1") is None
    run_vm_action(world)


@pytest.mark.flow
def test_vm_action_is_refused_while_a_restore_runs(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("slow-restore", vmid=100, seconds=1)
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    advance_until(world, lambda: world.proxmox.tasks("qmrestore"))

    with pytest.raises(Refused, match="Other actions wait until the restore is done"):
        run_vm_action(world)
    finish(world)

    assert world.operations()[-1].state == "done"
    run_vm_action(world)


WHILE: dict[str, tuple[Callable[[worlds.World], None], str]] = {
    "backup": (begin_backup, BEING_MADE),
    "restore": (begin_restore, "Other actions wait until the restore is done."),
    "safety copy": (
        lambda world: begin_restore(world, "1"), "Other actions wait until the restore is done.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WHILE)
@pytest.mark.flow
def test_every_form_is_closed_while_something_runs_and_open_after(world: worlds.World, what: str) -> None:
    begin, reason = WHILE[what]
    begin(world)
    world.app.config["WTF_CSRF_ENABLED"] = False
    world.host.actor, browser = worlds.ALICE, world.app.test_client()
    forms = {"create": {}, "reinstall": {"confirm": "REINSTALL"}}
    for backup in world.held():
        forms |= {f"{backup.id}/restore": {"confirm": "web100"}, f"{backup.id}/remove": {}}

    assert world.backups.lock_reason("1") == reason
    with pytest.raises(Refused, match=f"^{reason}$"):
        run_vm_action(world)
    for point in POINTS:
        assert world.backups.hooks.run(point, params={"serviceid": 1}) == [{"abortcmd": True, "reason": reason}]
    shown = world.call("ClientArea")["vars"]
    assert (shown["locked"], str(shown["lock_reason"])) == (True, reason)
    assert {str(shown["may"][action]) for action in ("create", "restore", "remove", "reinstall")} == {reason}
    assert browser.get("/services/1/backups/state").get_json()["lock_reason"] == reason
    for path, form in forms.items():
        answer = browser.post(f"/services/1/backups/{path}", data=form)
        assert (answer.status_code, reason in answer.text) == (409, True), path

    finish(world)

    assert world.backups.lock_reason("1") is None
    run_vm_action(world)
    assert world.backups.hooks.run("PreModuleCustom", params={"serviceid": 1}) == []


def test_vm_action_is_not_held_up_by_a_removal(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("hold-task", type="imgdel", label="slow")
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    advance_until(world, lambda: world.proxmox.tasks("imgdel"))

    run_vm_action(world)

    assert world.backups.lock_reason("1") is None
    finish(world)
    assert world.held() == []


@pytest.mark.databases
def test_vm_action_within_another_is_refused(world: worlds.World) -> None:
    with world.backups.vm_action("1"), pytest.raises(Refused, match="Another action"):
        run_vm_action(world)


@pytest.mark.databases
def test_exception_inside_a_vm_action_frees_the_lease(world: worlds.World) -> None:
    with pytest.raises(ZeroDivisionError), world.backups.vm_action("1"):
        _ = 1 / 0

    assert (world.service().vm_lease_owner, world.service().vm_lease_until) == (None, None)
    run_vm_action(world)


def test_lease_of_a_dead_process_holds_nobody_up(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        owner = str(world.service().vm_lease_owner)
    place, pid, _, key = owner.split("|")
    with world.context.database.begin() as session:
        service = session.get_one(Service, "1")
        # The same process id, born at another time.
        service.vm_lease_owner, service.vm_lease_until = f"{place}|{pid}|1|{key}", now() + timedelta(hours=1)

    run_vm_action(world)
    assert (world.service().vm_lease_owner, world.service().vm_lease_until) == (None, None)


@pytest.mark.databases
@pytest.mark.flow
def test_operation_waits_for_a_vm_action_and_starts_afterwards(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        assert world.call("BackupNow") == "success"
        dispatch.start_waiting(world.context)
        assert [operation.state for operation in world.operations()] == ["waiting"]
        assert world.proxmox.tasks("vzdump") == []

    world.drain()

    assert [operation.state for operation in world.operations()] == ["done"]


def test_waiting_operation_does_not_hold_up_a_vm_action(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        world.call("BackupNow")

    assert world.backups.lock_reason("1") is None
    run_vm_action(world)


def test_vm_action_on_a_service_that_is_not_ours_goes_ahead(world: worlds.World) -> None:
    done = []
    with world.backups.vm_action("77"):
        done.append(True)

    assert done
    assert world.backups.lock_reason("77") is None


@pytest.mark.flow
def test_change_package_itself_is_taken_while_a_backup_runs(world: worlds.World) -> None:
    begin_backup(world)

    assert world.backups.call("ChangePackage", world.params(backups=7)) == "success"
    assert world.service().quota == 7
    finish(world)
