"""The safety copy: made before anything is touched, kept while it is needed, gone after its days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from support import world as worlds
from support.client_steps import advance_until, client_state, reason_text, task_types
from support.killing import killed_at
from support.thorough import stride

from puq_backups.clock import expire_safety_copies, purge_terminated
from puq_backups.clock import tick as clock_tick
from puq_backups.inventory import sync
from puq_backups.models import Backup, Operation, Server, Service, now
from puq_backups.operations import node_watch
from puq_backups.pve import notes

WITHOUT = "No safety copy could be made, so nothing was restored: "


def ask(world: worlds.World, backup_id: str, safety_copy: Any = "1") -> Operation:
    answer = world.call("RestoreBackup", backup_id=backup_id, confirm="web100", safety_copy=safety_copy)
    assert answer == "success", answer
    return world.operations()[-1]


def restore(world: worlds.World, backup_id: str, safety_copy: Any = "1") -> Operation:
    ask(world, backup_id, safety_copy)
    world.drain()
    return world.operations()[-1]


def copies(world: worlds.World) -> list[Backup]:
    return [backup for backup in world.held() if backup.kind == "safety"]


def fail_restore(world: worlds.World, safety_copy: Any = "1") -> tuple[Operation, Backup]:
    """A restore that failed with the disks touched, and the backup it was of."""
    backup = world.back_up()
    world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    failed = restore(world, backup.id, safety_copy)
    assert (failed.state, world.service().restore_failed) == ("failed", failed.id)
    return failed, backup


def tick(world: worlds.World) -> None:
    expire_safety_copies.remove_expired(world.context)
    world.drain()


def test_present_state_is_kept_first_and_shown_as_such(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="running")
    operation = restore(world, backup.id)

    [copy] = copies(world)
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert task_types(world, "qmshutdown", "vzdump", "qmrestore") == ["vzdump", "qmshutdown", "vzdump", "qmrestore"]
    assert (copy.id, copy.operation_id) == (operation.data["safety"], operation.id)
    assert (copy.disks, bool(copy.size), copy.storage) == (1, True, "local")
    assert copy.note.startswith("Safety copy from before the restore of ")
    assert copy.expires_at is not None
    assert timedelta(days=2, hours=23) < copy.expires_at - now() < timedelta(days=3)
    [volume] = [volume for volume in world.proxmox.volumes("local") if volume.volid == copy.volid]
    assert notes.find_marker(volume.notes) == (world.service().token, operation.token)
    shown = client_state(world)
    assert [one["kind"] for one in shown["backups"]] == ["safety", "manual"]
    assert shown["quota"] == {"used": 1, "limit": 3}
    assert world.proxmox.vm(100).running


@pytest.mark.parametrize("bought", ["", "offer", "always", "off"])
def test_setting_and_option_decide_whether_it_is_made(world: worlds.World, bought: str) -> None:
    backup = world.back_up()
    options = {"Safety copy": bought} if bought else {}
    world.call("ChangePackage", **world.params() | {"configoptions": options})
    for setting in ("offer", "always", "off"):
        object.__setattr__(world.context.settings, "safety_copy", setting)
        for sent in ("1", "0", "", None):
            with world.backups.vm_action("1"):
                operation = ask(world, backup.id, sent)
                world.call("CancelOperation", operation_id=operation.id)

            rule = bought or setting
            assert operation.data["safety_copy"] is (rule == "always" or (rule == "offer" and sent == "1"))


def test_wrong_wish_for_a_copy_is_refused_by_name(world: worlds.World) -> None:
    backup = world.back_up()

    answer = world.call("RestoreBackup", backup_id=backup.id, confirm="web100", safety_copy="yes")

    assert answer == "safety_copy must be 1 or 0."


FULL = {"storage": "local", "total": 1}
KEEPS_ONE = {"storage": "local", "prune-backups": "keep-last=1"}
NO = {"method": "POST", "path": "*/vzdump", "status": 500, "reason": "no"}
TROUBLES: dict[str, tuple[tuple[str, dict[str, Any]], str]] = {
    "storage offline": (("storage-offline", {"storage": "nfs"}), "The storage nfs is offline."),
    "no room": (("storage-config", FULL), "has no room for another backup."),
    "retention": (("storage-config", KEEPS_ONE), "keeps at most 1 backups"),
    "refused": (("refuse", NO), "no"),
    "task fails": (("backup-error", {"vmid": 100, "text": "no space left"}), "no space left"),
    "not seen": (("pause", {"seconds": 0}), "it is not on the storage."),
}
SEEN_BEFOREHAND = {"storage offline", "no room", "retention"}


@pytest.mark.parametrize("name", TROUBLES)
def test_without_a_copy_nothing_is_touched_and_the_vm_runs_again(world: worlds.World, name: str) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="running")
    (fault, arguments), reason = TROUBLES[name]
    if name == "storage offline":
        world.call("ChangePackage", **world.params(storage="nfs"))
    world.proxmox.control(fault, **arguments)
    ask(world, backup.id)
    if name == "not seen":
        advance_until(world, lambda one: one.step == "see_safety_copy")
        world.proxmox.control("archive-gone", volid=copies(world)[0].volid)
        with time_machine.travel(now() + timedelta(minutes=6)):
            world.drain()
    world.drain()

    operation, vm = world.operations()[-1], world.proxmox.vm(100)
    assert (operation.state, reason_text(operation).startswith(WITHOUT)) == ("failed", True)
    assert reason in reason_text(operation)
    assert (task_types(world, "qmrestore"), world.service().restore_failed) == ([], None)
    assert (vm.running, "scsi0" in vm.config) == (True, True)
    assert (task_types(world, "qmshutdown") == []) is (name in SEEN_BEFOREHAND)


def test_vm_that_was_off_stays_off_where_no_copy_could_be_made(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="stopped")
    world.proxmox.control("task-fails", type="vzdump", vmid=100, text="no")

    operation = restore(world, backup.id)

    assert (operation.state, world.proxmox.vm(100).running) == ("failed", False)


def test_copy_is_made_once_though_its_answer_is_lost(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("drop", method="POST", path="*/vzdump", when="after")

    operation = restore(world, backup.id)

    assert (operation.state, len(copies(world))) == ("done", 1)
    assert len(world.proxmox.tasks("vzdump")) == 2


def test_vm_started_by_somebody_meanwhile_is_powered_off_again(world: worlds.World) -> None:
    backup = world.back_up()
    ask(world, backup.id)
    advance_until(world, lambda operation: operation.step == "make_safety_copy")
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.drain()

    assert (world.operations()[-1].state, len(copies(world))) == ("done", 1)
    assert task_types(world, "qmshutdown", "vzdump")[-2:] == ["qmshutdown", "vzdump"]


def test_wait_for_another_backup_of_the_node_is_shown_as_a_wait(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vzdump-lock-held", node="pve1")
    ask(world, backup.id)
    # The log of a task is read only while somebody looks at the page.
    node_watch.note_watched(world.context, "1")
    advance_until(world, lambda operation: operation.why)

    operation = client_state(world)["operation"]
    assert (operation["step"], operation["state"]) == ("Making a safety copy of the present state", "running")
    assert operation["reason"] == "Another backup runs on the same node; this one goes on after it."
    world.proxmox.control("vzdump-lock-released", node="pve1")
    world.drain()
    assert (world.operations()[-1].state, len(copies(world))) == ("done", 1)


@pytest.mark.slow
def test_worker_killed_anywhere_makes_one_copy(world: worlds.World) -> None:
    backup = world.back_up()
    for times, boundary in enumerate(range(1, 40, stride(6)), 1):
        ask(world, backup.id)
        advance_until(world, lambda operation: operation.step == "make_safety_copy")
        assert killed_at(world, boundary)
        world.drain()

        assert world.operations()[-1].state == "done", reason_text(world.operations()[-1])
        assert len(copies(world)) == len(world.proxmox.tasks("qmrestore")) == times
        assert len(world.proxmox.tasks("vzdump")) == times + 1


def test_one_click_goes_back_to_the_state_before(world: worlds.World) -> None:
    failed, _ = fail_restore(world)
    [copy] = copies(world)

    assert world.call("BackToBefore", operation_id=failed.id) == "success"
    world.drain()

    back = world.operations()[-1]
    assert (back.kind, back.origin, back.backup_id, back.state) == ("restore", "back", copy.id, "done")
    assert (world.service().restore_failed, len(copies(world))) == (None, 1)
    assert world.proxmox.vm(100).running


@pytest.mark.slow
def test_way_back_stays_open_over_failed_attempts(world: worlds.World) -> None:
    failed, backup = fail_restore(world)
    [copy] = copies(world)
    for wish, arguments in (
        ("RetryRestore", {}), ("BackToBefore", {}),
        ("RestoreBackup", {"backup_id": backup.id, "confirm": "web100", "safety_copy": "1"}),
    ):  # fmt: skip
        world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
        assert world.call(wish, **{"operation_id": failed.id, **arguments}) == "success"
        world.drain()
        failed = world.operations()[-1]
        assert (failed.state, world.service().restore_failed) == ("failed", failed.id)
        assert [one.id for one in copies(world)] == [copy.id]

    assert world.call("BackToBefore", operation_id=failed.id) == "success"
    world.drain()
    assert world.service().restore_failed is None


def test_there_is_no_way_back_without_a_copy(world: worlds.World) -> None:
    failed, _ = fail_restore(world, safety_copy=None)

    assert world.call("BackToBefore", operation_id=failed.id) == "No safety copy was made before this restore."
    assert world.call("BackToBefore", operation_id="nowhere") == "There is nothing here."
    assert len(world.operations()) == 2


@pytest.mark.slow
def test_copy_goes_by_itself_after_its_days(world: worlds.World) -> None:
    backup = world.back_up()
    restore(world, backup.id)
    tick(world)
    assert len(copies(world)) == 1

    with time_machine.travel(now() + timedelta(days=3, minutes=1)):
        for _ in range(2):
            clock_tick.tick(world.context)
            world.drain()

    removal = world.operations()[-1]
    assert (removal.kind, removal.origin, removal.actor, removal.state) == ("remove", "expiry", "system", "done")
    assert [backup.id] == [one.id for one in world.held()]
    assert len(world.proxmox.volumes("local")) == 1
    assert len(world.proxmox.tasks("imgdel")) == 1


@pytest.mark.slow
def test_copy_stays_until_the_failed_restore_is_settled(world: worlds.World) -> None:
    failed, _ = fail_restore(world)
    [copy] = copies(world)
    with time_machine.travel(now() + timedelta(days=4)):
        assert expire_safety_copies.remove_expired(world.context) == 0
        assert "needed until" in world.call("RemoveBackup", backup_id=copy.id)
        assert "cannot be kept" in world.call("KeepBackup", backup_id=copy.id, kept="1")
        world.call("BackToBefore", operation_id=failed.id)
        assert expire_safety_copies.remove_expired(world.context) == 0
        world.drain()
        # Its days count from the moment the failure is settled.
        tick(world)
        assert [one.id for one in copies(world)] == [copy.id]
    with time_machine.travel(now() + timedelta(days=8)):
        tick(world)

    assert copies(world) == []


def test_copy_stays_where_a_restore_fails_before_its_removal_begins(world: worlds.World) -> None:
    restore(world, world.back_up().id)
    with time_machine.travel(now() + timedelta(days=4)):
        assert expire_safety_copies.remove_expired(world.context) == 1
        with world.context.database.begin() as session:
            session.get_one(Service, "1").restore_failed = "o"
        world.drain()

    assert (world.operations()[-1].state, len(copies(world))) == ("cancelled", 1)


def test_client_may_remove_a_copy_and_it_counts_for_nothing(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(backups=2))
    backup = world.back_up()
    restore(world, backup.id)
    second = world.back_up()
    assert "Quota full (2 of 2)" in world.call("BackupNow")
    [copy] = copies(world)

    assert world.call("RemoveBackup", backup_id=copy.id) == "success"
    world.drain()

    assert [one.id for one in world.held()] == [backup.id, second.id]


def test_sync_neither_loses_nor_doubles_a_copy(world: worlds.World) -> None:
    restore(world, world.back_up().id)
    [copy] = copies(world)
    with world.context.database.begin() as session:
        server = session.get_one(Server, world.service().server_id)
    sync.sync_backups(world.context, server)
    assert [one.id for one in copies(world)] == [copy.id]

    with world.context.database.begin() as session:
        session.delete(session.get_one(Backup, copy.id))
    sync.sync_backups(world.context, server)

    [found] = copies(world)
    assert (found.volid, found.operation_id, bool(found.expires_at)) == (copy.volid, copy.operation_id, True)


def test_purge_takes_copies_along(world: worlds.World) -> None:
    restore(world, world.back_up().id)
    world.call("TerminateAccount", **world.params())
    with time_machine.travel(now() + timedelta(days=8)):
        purge_terminated.purge_due(world.context)
        expire_safety_copies.remove_expired(world.context)
        world.drain()

    assert (world.held(), world.proxmox.volumes("local")) == ([], [])
    assert len(world.proxmox.tasks("imgdel")) == 2
