"""The safety copy of a restore: when it is made, and restores that are refused without one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from support import world as worlds
from support.client_steps import advance_until, client_state, reason_text, task_types
from support.kill_at_boundaries import killed_at
from support.thorough import stride

from puq_backups.client_area import restore_preview
from puq_backups.models import now
from puq_backups.operations import node_watch
from puq_backups.pve import notes

from .safety_helpers import request_restore, restore, safety_copies

pytestmark = pytest.mark.slow

WITHOUT = "No safety copy could be made, so nothing was restored: "


def test_present_state_is_kept_first_and_shown_as_such(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="running")
    operation = restore(world, backup.id)

    [copy] = safety_copies(world)
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
                operation = request_restore(world, backup.id, sent)
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
    request_restore(world, backup.id)
    if name == "not seen":
        advance_until(world, lambda one: one.step == "see_safety_copy")
        world.proxmox.control("archive-gone", volid=safety_copies(world)[0].volid)
        with time_machine.travel(now() + timedelta(minutes=6)):
            world.drain()
    world.drain()

    operation, vm = world.operations()[-1], world.proxmox.vm(100)
    assert (operation.state, reason_text(operation).startswith(WITHOUT)) == ("failed", True)
    assert reason in reason_text(operation)
    assert (task_types(world, "qmrestore"), world.service().restore_failed) == ([], None)
    assert (vm.running, "scsi0" in vm.config) == (True, True)
    assert (task_types(world, "qmshutdown") == []) is (name in SEEN_BEFOREHAND)


@pytest.mark.parametrize("limit", [{"prune-backups": "keep-last=2"}, {"total": "what is there, and a byte"}])
def test_bin_that_holds_the_room_for_a_copy_is_named(world: worlds.World, limit: dict[str, Any]) -> None:
    object.__setattr__(world.context.settings, "bin_hours", 24)
    backup, binned = world.back_up(), world.back_up()
    assert world.call("RemoveBackup", backup_id=binned.id) == "success"
    there = sum(volume.size for volume in world.proxmox.volumes("local"))
    world.proxmox.control(
        "storage-config", storage="local", **limit | ({"total": there + 1} if "total" in limit else {})
    )

    told = "The storage local has room for a safety copy once you delete what is in the bin."
    shown = restore_preview.preview(world.context, "1", worlds.ALICE, backup.id)
    operation = restore(world, backup.id)

    assert (str(shown["safety_against"]), reason_text(operation)) == (told, WITHOUT + told)
    assert operation.state == "failed"
    assert world.call("DeleteBackup", backup_id=binned.id) == "success"
    world.drain()
    assert restore_preview.preview(world.context, "1", worlds.ALICE, backup.id)["safety_against"] is None


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

    assert (operation.state, len(safety_copies(world))) == ("done", 1)
    assert len(world.proxmox.tasks("vzdump")) == 2


def test_vm_started_by_somebody_meanwhile_is_powered_off_again(world: worlds.World) -> None:
    backup = world.back_up()
    request_restore(world, backup.id)
    advance_until(world, lambda operation: operation.step == "make_safety_copy")
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.drain()

    assert (world.operations()[-1].state, len(safety_copies(world))) == ("done", 1)
    assert task_types(world, "qmshutdown", "vzdump")[-2:] == ["qmshutdown", "vzdump"]


def test_wait_for_another_backup_of_the_node_is_shown_as_a_wait(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vzdump-lock-held", node="pve1")
    request_restore(world, backup.id)
    # The log of a task is read only while somebody looks at the page.
    node_watch.note_watched(world.context, "1")
    advance_until(world, lambda operation: operation.why)

    operation = client_state(world)["operation"]
    assert (operation["step"], operation["state"]) == ("Making a safety copy of the present state", "running")
    assert operation["reason"] == "The backup of another server goes first."
    world.proxmox.control("vzdump-lock-released", node="pve1")
    world.drain()
    assert (world.operations()[-1].state, len(safety_copies(world))) == ("done", 1)


@pytest.mark.slow
def test_worker_killed_anywhere_makes_one_copy(world: worlds.World) -> None:
    backup = world.back_up()
    for times, boundary in enumerate(range(1, 40, stride(6)), 1):
        request_restore(world, backup.id)
        advance_until(world, lambda operation: operation.step == "make_safety_copy")
        assert killed_at(world, boundary)
        world.drain()

        assert world.operations()[-1].state == "done", reason_text(world.operations()[-1])
        assert len(safety_copies(world)) == len(world.proxmox.tasks("qmrestore")) == times
        assert len(world.proxmox.tasks("vzdump")) == times + 1
