"""Traps of lost answers: what was sent may or may not have been done; it is looked for, never repeated blindly."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support import world as worlds
from support.client_steps import advance_until, back_up, reason_text, restore, run_slot, task_types, warning_texts

from puq_backups.pve import notes

pytestmark = pytest.mark.slow

LOST = {
    "cut-before": {"name": "drop", "when": "before"},
    "cut-after": {"name": "drop", "when": "after"},
    "596": {"name": "gateway-timeout"},
}
WRITES = (
    "*/vzdump",
    "*/qemu",
    "*/config",
    "*/resize",
    "*/status/shutdown",
    "*/status/stop",
    "*/status/start",
    "*/content/*",
)
ON_THE_WAY = ("qmshutdown", "qmstop", "qmrestore", "resize", "qmconfig", "qmstart")


def lose_answers(world: worlds.World, how: str) -> None:
    """The next answer to each kind of write is lost."""
    for path in WRITES:
        for method in ("POST", "PUT", "DELETE"):
            world.proxmox.control(**LOST[how], method=method, path=path)


@pytest.mark.parametrize("how", LOST)
def test_trap_unknown_outcome_of_backup_and_removal(world: worlds.World, how: str) -> None:
    for _ in range(3):
        world.back_up()
    lose_answers(world, how)
    operation = run_slot(world, "2026-11-23")

    assert (operation.state, reason_text(operation)) == ("done", "")
    assert task_types(world, "vzdump", "imgdel") == ["vzdump", "vzdump", "vzdump", "imgdel", "vzdump"]
    assert {backup.volid for backup in world.held()} == {
        volume.volid for volume in world.proxmox.volumes("nfs") if volume.vmid == 100
    }
    assert len(world.held()) == 3


@pytest.mark.parametrize("how", LOST)
def test_trap_unknown_outcome_of_each_write_of_a_restore(world: worlds.World, how: str) -> None:
    backup = world.back_up()
    world.call("ChangePackage", **world.params(storage="nfs", cores=4, system_disk=20, system_mbps_rd=50))
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.proxmox.control("powerdown-ignored", vmid=100)
    lose_answers(world, how)
    operation = restore(world, backup.id)

    vm = world.proxmox.vm(100)
    assert (operation.state, reason_text(operation), operation.lock) == ("done", "", None)
    assert task_types(world, *ON_THE_WAY) == list(ON_THE_WAY)
    assert (int(vm.config["cores"]), "size=20G" in vm.config["scsi0"], vm.running) == (4, True, True)


def test_trap_answer_later_than_the_read_timeout(world: worlds.World) -> None:
    world.context.settings.__dict__["read_timeout"] = timedelta(seconds=0.5)
    world.proxmox.control("delay", method="POST", path="*/vzdump", seconds=0.8)
    operation = back_up(world)

    assert operation.state == "done"
    assert len(world.proxmox.tasks("vzdump")) == len(world.held()) == 1


@pytest.mark.parametrize("skew", [3600, -3600])
def test_trap_lost_answer_of_a_node_whose_clock_is_off(world: worlds.World, skew: int) -> None:
    world.proxmox.control("clock-skew", seconds=skew)
    world.proxmox.control("drop", method="POST", path="*/vzdump", when="after")
    operation = back_up(world)

    assert operation.state == "done"
    assert len(world.proxmox.tasks("vzdump")) == len(world.held()) == 1


def test_trap_lost_answer_of_a_task_that_waits_for_the_nodes_lock(world: worlds.World) -> None:
    world.proxmox.control("vzdump-lock-held", node="pve1")
    world.proxmox.control("drop", method="POST", path="*/vzdump", when="after")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    world.proxmox.control("vzdump-lock-released", node="pve1")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1


def test_trap_task_log_rotated_while_the_backup_ran(world: worlds.World) -> None:
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    assert world.proxmox.idle()
    world.proxmox.control("task-lost")
    world.drain()

    [backup] = world.held()
    assert world.operations()[-1].state == "done"
    assert notes.find_marker(world.proxmox.volumes("nfs")[-1].notes) == (
        world.service().token,
        world.operations()[-1].token,
    )
    assert backup.volid == world.proxmox.volumes("nfs")[-1].volid


def test_trap_task_log_rotated_and_no_archive(world: worlds.World) -> None:
    world.proxmox.control("backup-error", vmid=100, text="no luck")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    assert world.proxmox.idle()
    world.proxmox.control("task-lost")
    world.drain()

    operation = world.operations()[-1]
    assert operation.state == "failed"
    assert reason_text(operation) == "Proxmox could not make the backup: Proxmox no longer knows the task."
    assert world.held() == []


def lose_the_restore(world: worlds.World, backup_id: str) -> None:
    """A restore whose task has ended, and is known no more before anyone looked."""
    world.call("RestoreBackup", backup_id=backup_id, confirm="web100")
    advance_until(world, lambda operation: operation.upid and world.proxmox.tasks("qmrestore"))
    assert world.proxmox.idle()
    world.proxmox.control("task-lost")
    world.drain()


def test_trap_task_of_a_restore_is_lost_that_went_well(world: worlds.World) -> None:
    backup = world.back_up()
    world.call("ChangePackage", **world.params(storage="nfs", cores=4))
    lose_the_restore(world, backup.id)

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert "no longer knows" in warning_texts(operation)[0]
    assert (int(world.proxmox.vm(100).config["cores"]), world.proxmox.vm(100).running) == (4, True)
    assert world.service().restore_failed is None


def test_trap_task_of_a_restore_is_lost_that_failed(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    lose_the_restore(world, backup.id)

    operation = world.operations()[-1]
    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert reason_text(operation) == "The restore failed: Proxmox no longer knows the task."
    assert not world.proxmox.vm(100).running


def test_trap_task_of_a_restore_is_lost_and_nothing_tells_how_it_ended(world: worlds.World) -> None:
    world.proxmox.control("vm-config", vmid=100, delete=["vmgenid"])
    backup = world.back_up()
    lose_the_restore(world, backup.id)

    operation = world.operations()[-1]
    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert "no longer knows" in reason_text(operation)
    assert len(world.proxmox.tasks("qmrestore")) == 1
