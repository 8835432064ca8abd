"""Locks of the host's VM actions: what they wait for, and what waits for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from support import world as worlds

from puq_backups import Refused
from puq_backups.clock import tick
from puq_backups.models import Service, now
from puq_backups.operations import engine, queue
from puq_backups.simulator import Simulator

POINTS = ("PreModuleChangePackage", "PreModuleTerminate", "PreModuleChangePassword", "PreModuleCustom")
BEING_MADE = "A backup is being made; other actions wait until it is done."


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url)
    found.register()
    yield found
    found.context.database.engine.dispose()


def advance_until(world: worlds.World, ready: Callable[[], object]) -> None:
    """Move what is due, and nothing else, until something is so."""

    def move() -> bool:
        with world.context.database.open() as session:
            due = [one.id for one in queue.due(session)]
        for operation_id in due:
            engine.advance(world.context, operation_id)
        return bool(ready())

    assert world.proxmox.until(move)


def begin_backup(world: worlds.World) -> None:
    """A backup whose Proxmox task is running; `finish` lets it end."""
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    assert world.call("BackupNow") == "success"
    advance_until(world, lambda: world.proxmox.tasks("vzdump"))


def finish(world: worlds.World) -> None:
    world.proxmox.control("release", label="slow")
    world.drain()


def act(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        pass


def test_vm_action_is_refused_while_a_backup_runs_and_works_again_after(world: worlds.World) -> None:
    begin_backup(world)
    assert world.backups.lock_reason("1") == BEING_MADE
    with pytest.raises(Refused, match="A backup is being made"):
        act(world)

    finish(world)

    assert world.backups.lock_reason("1") is None
    act(world)


def test_lock_of_our_own_backup_is_not_taken_for_anothers(world: worlds.World) -> None:
    begin_backup(world)
    asked = len(world.proxmox.requests())
    for point in POINTS:
        world.backups.hooks.run(point, params={"serviceid": 1})
    with pytest.raises(Refused):
        act(world)
    assert len(world.proxmox.requests()) == asked
    assert world.service().vm_lock == ""

    finish(world)

    assert world.backups.lock_reason("1") is None


def test_vm_action_is_refused_while_a_restore_runs(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("slow-restore", vmid=100, seconds=1)
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    advance_until(world, lambda: world.proxmox.tasks("qmrestore"))

    with pytest.raises(Refused, match="A restore is running"):
        act(world)
    finish(world)

    assert world.operations()[-1].state == "done"
    act(world)


def begin_restore(world: worlds.World, safety_copy: str = "") -> None:
    """A restore, or its safety copy, whose Proxmox task is running; `finish` lets it end."""
    backup = world.back_up()
    kind = "vzdump" if safety_copy else "qmrestore"
    before = len(world.proxmox.tasks(kind))
    world.proxmox.control("hold-task", type=kind, vmid=100, label="slow")
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100", safety_copy=safety_copy)
    advance_until(world, lambda: len(world.proxmox.tasks(kind)) > before)


WHILE: dict[str, tuple[Callable[[worlds.World], None], str]] = {
    "backup": (begin_backup, BEING_MADE),
    "restore": (begin_restore, "A restore is running; other actions wait until it is done."),
    "safety copy": (
        lambda world: begin_restore(world, "1"), "A restore is running; other actions wait until it is done.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WHILE)
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
        act(world)
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
    act(world)
    assert world.backups.hooks.run("PreModuleCustom", params={"serviceid": 1}) == []


def test_lock_that_a_killed_backup_left_behind_holds_up_everybody_until_it_is_gone(world: worlds.World) -> None:
    begin_backup(world)
    assert world.proxmox.until(lambda: world.proxmox.vm(100).lock == "backup")
    world.proxmox.control("worker-killed", upid=world.proxmox.tasks("vzdump")[0].upid)
    world.drain()
    left = "Proxmox holds the virtual machine locked (backup)."

    assert (world.operations()[-1].state, world.backups.lock_reason("1")) == ("failed", left)
    with pytest.raises(Refused, match="locked"):
        act(world)
    assert world.backups.hooks.run("PreModuleCustom", params={"serviceid": 1}) == [{"abortcmd": True, "reason": left}]

    world.proxmox.control("operator-unlock", vmid=100)
    act(world)
    assert world.backups.lock_reason("1") is None


def test_vm_action_is_not_held_up_by_a_removal(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("hold-task", type="imgdel", label="slow")
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    advance_until(world, lambda: world.proxmox.tasks("imgdel"))

    act(world)

    assert world.backups.lock_reason("1") is None
    finish(world)
    assert world.held() == []


def test_vm_action_sees_a_lock_of_proxmox_and_that_it_has_gone(world: worlds.World) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="snapshot")
    assert world.backups.lock_reason("1") is None, "nobody has looked yet"
    with pytest.raises(Refused, match=r"locked \(snapshot\)"):
        act(world)
    assert "locked (snapshot)" in str(world.backups.lock_reason("1"))

    world.proxmox.control("operator-unlock", vmid=100)
    act(world)

    assert world.backups.lock_reason("1") is None


def test_vm_action_sees_a_lock_on_the_node_that_the_vm_moved_to(world: worlds.World) -> None:
    world.register("3", 102, "charlie", storage="nfs")
    world.proxmox.control("migrate", vmid=102, node="pve3")
    world.proxmox.control("leftover-lock", vmid=102, lock="backup")

    with pytest.raises(Refused, match=r"locked \(backup\)"), world.backups.vm_action("3"):
        pass


def test_lock_of_proxmox_is_not_believed_for_ever(world: worlds.World) -> None:
    with time_machine.travel(now(), tick=True) as clock:
        world.proxmox.control("leftover-lock", vmid=100, lock="snapshot")
        with pytest.raises(Refused):
            act(world)
        world.proxmox.control("operator-unlock", vmid=100)
        clock.shift(timedelta(minutes=6))

        assert world.backups.lock_reason("1") is None


def test_own_locks_alone_count_while_proxmox_cannot_be_reached(world: worlds.World) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="snapshot")
    unreachable = {"method": "GET", "path": "*/status/current", "status": 595, "reason": "No route to host"}
    world.proxmox.control("refuse", times=1000, **unreachable)
    act(world)
    assert world.backups.hooks.run("PreModuleCustom", params={"serviceid": "1"}) == []

    world.proxmox.control("operator-unlock", vmid=100)
    world.proxmox.control("release", of="refuse")
    begin_backup(world)
    world.proxmox.control("refuse", times=1000, **unreachable)
    with pytest.raises(Refused, match="A backup is being made"):
        act(world)

    world.proxmox.control("release", of="refuse")
    finish(world)


@pytest.mark.databases
def test_vm_action_within_another_is_refused(world: worlds.World) -> None:
    with world.backups.vm_action("1"), pytest.raises(Refused, match="Another action"):
        act(world)


@pytest.mark.databases
def test_exception_inside_a_vm_action_frees_the_lease(world: worlds.World) -> None:
    with pytest.raises(ZeroDivisionError), world.backups.vm_action("1"):
        _ = 1 / 0

    assert (world.service().vm_lease_owner, world.service().vm_lease_until) == (None, None)
    act(world)


def test_lease_of_a_dead_process_holds_nobody_up(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        owner = str(world.service().vm_lease_owner)
    place, pid, _, key = owner.split("|")
    with world.context.database.begin() as session:
        service = session.get_one(Service, "1")
        # The same process id, born at another time.
        service.vm_lease_owner, service.vm_lease_until = f"{place}|{pid}|1|{key}", now() + timedelta(hours=1)

    act(world)
    assert (world.service().vm_lease_owner, world.service().vm_lease_until) == (None, None)


@pytest.mark.databases
def test_operation_waits_for_a_vm_action_and_starts_afterwards(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        assert world.call("BackupNow") == "success"
        tick.start_waiting(world.context)
        assert [operation.state for operation in world.operations()] == ["waiting"]
        assert world.proxmox.tasks("vzdump") == []

    world.drain()

    assert [operation.state for operation in world.operations()] == ["done"]


def test_waiting_operation_does_not_hold_up_a_vm_action(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        world.call("BackupNow")

    assert world.backups.lock_reason("1") is None
    act(world)


def test_vm_action_on_a_service_that_is_not_ours_goes_ahead(world: worlds.World) -> None:
    done = []
    with world.backups.vm_action("77"):
        done.append(True)

    assert done
    assert world.backups.lock_reason("77") is None


@pytest.mark.parametrize("point", POINTS)
def test_pre_module_hook_aborts_while_a_backup_runs(world: worlds.World, point: str) -> None:
    begin_backup(world)
    answers = world.backups.hooks.run(point, params={"serviceid": 1})
    finish(world)

    assert answers == [{"abortcmd": True, "reason": BEING_MADE}]
    assert world.backups.hooks.run(point, params={"serviceid": 1}) == []


@pytest.mark.parametrize("point", POINTS)
def test_pre_module_hook_aborts_while_proxmox_holds_the_vm(world: worlds.World, point: str) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    [answer] = world.backups.hooks.run(point, params={"serviceid": "1"})

    assert answer["abortcmd"] is True
    assert "locked (backup)" in answer["reason"]


@pytest.mark.parametrize("params", [{}, {"serviceid": None}, {"serviceid": "77"}])
def test_pre_module_hook_says_nothing_of_a_service_that_is_not_ours(
    world: worlds.World, params: dict[str, object]
) -> None:
    assert world.backups.hooks.run("PreModuleTerminate", params=params) == []


def test_change_package_itself_is_taken_while_a_backup_runs(world: worlds.World) -> None:
    begin_backup(world)

    assert world.backups.call("ChangePackage", world.params(backups=7)) == "success"
    assert world.service().quota == 7
    finish(world)
