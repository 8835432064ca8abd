"""Traps of locks and of what cannot be reached: nothing was done, later it may be. Wait, and go on."""

from __future__ import annotations

import pytest
from support import world as worlds
from support.client_steps import advance_until, client_state, reason_text, task_types

pytestmark = pytest.mark.slow

LOCKED = (
    "VM is locked (snapshot)",
    "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
    "can't lock file '/var/lock/pve-manager/pve-storage-nfs' - got timeout",
    "cfs-lock 'storage-nfs' error: got lock request timeout",
    "'storage-nfs'-locked command timed out - aborting",
    "cfs-lock 'storage-nfs' error: no quorum!",
    "cluster not ready - no quorum?",
    "another backup is already running",
)


@pytest.mark.parametrize("text", LOCKED)
def test_trap_lock_ends_the_task_or_refuses_the_request(world: worlds.World, text: str) -> None:
    world.proxmox.control("refuse", method="POST", path="*/vzdump", status=500, reason=text)
    world.proxmox.control("task-fails", type="vzdump", vmid=100, text=text)
    world.call("BackupNow")
    waiting = advance_until(world, lambda operation: operation.why)
    assert (waiting.state, reason_text(waiting)) == ("running", text)
    # Clients do not read the folders of a node.
    assert client_state(world)["operation"]["reason"] == str(waiting.why.without_paths())
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert [task.exitstatus for task in world.proxmox.tasks("vzdump")] == [text, "OK"]


@pytest.mark.parametrize("kind", ["qmshutdown", "qmstop", "qmconfig", "resize", "qmstart"])
def test_trap_lock_in_the_midst_of_a_restore(world: worlds.World, kind: str) -> None:
    backup = world.back_up()
    world.call("ChangePackage", **world.params(storage="nfs", cores=4, system_disk=20, system_mbps_rd=50))
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.proxmox.control("powerdown-ignored", vmid=100)
    world.proxmox.control("task-fails", type=kind, vmid=100, text=LOCKED[1], times=2)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()

    operation, vm = world.operations()[-1], world.proxmox.vm(100)
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert (int(vm.config["cores"]), "size=20G" in vm.config["scsi0"], vm.running) == (4, True, True)
    assert task_types(world, "qmrestore", "qmstop")[-1] == "qmrestore"
    assert len(task_types(world, kind)) == 3


def test_trap_lock_refuses_the_restore_itself(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control(
        "refuse", method="POST", path="*/qemu", reason=f"unable to restore VM 100 - {LOCKED[0]}", times=2
    )
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("qmrestore")) == 1


def test_trap_somebody_holds_the_configuration_during_a_restore(world: worlds.World) -> None:
    backup = world.back_up()
    world.call("ChangePackage", **world.params(storage="nfs", cores=4))
    world.proxmox.control("hold", method="POST", path="*/config", label="change")
    world.proxmox.control("config-lock-held", vmid=100, seconds=0.4)
    world.proxmox.control("release", label="change")
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert int(world.proxmox.vm(100).config["cores"]) == 4


def test_trap_quorum_is_lost_for_a_while(world: worlds.World) -> None:
    world.proxmox.control("quorum", quorate=False)
    world.call("BackupNow")
    waiting = advance_until(world, lambda operation: operation.why)
    assert waiting.state == "running"

    world.proxmox.control("quorum", quorate=True)
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.held()) == 1


def test_trap_node_is_offline_for_a_while(world: worlds.World) -> None:
    world.register("2", 101, "bob", storage="nfs")
    world.proxmox.control("node-offline", node="pve2")
    assert world.call("BackupNow", "2") == "success"
    waiting = advance_until(world, lambda operation: operation.why, "2")
    assert "cannot reach the node" in reason_text(waiting)

    world.proxmox.control("node-online", node="pve2")
    world.drain()

    assert world.operations("2")[-1].state == "done"
    assert len(world.held("2")) == 1


def test_trap_node_dies_while_the_backup_runs(world: worlds.World) -> None:
    world.register("2", 101, "bob", storage="nfs")
    world.proxmox.control("slow-backup", vmid=101, seconds=30)
    world.call("BackupNow", "2")
    advance_until(world, lambda _: world.proxmox.vm(101).lock, "2")
    world.proxmox.control("node-offline", node="pve2")
    assert advance_until(world, lambda operation: operation.why, "2").lock == "2"

    world.proxmox.control("clear", of="slow-backup", vmid=101)
    world.proxmox.control("node-rebooted", node="pve2")
    world.drain()

    ended = world.operations("2")[-1]
    assert (ended.state, world.held("2"), ended.lock) == ("failed", [], None)
    assert reason_text(ended).startswith("Proxmox could not make the backup: ")
    assert world.proxmox.vm(101).lock is None


def test_trap_daemon_restarts_in_the_midst(world: worlds.World) -> None:
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.step == "make_archive")
    world.proxmox.control("daemon-down")
    waiting = advance_until(world, lambda operation: operation.why)
    assert waiting.state == "running"

    world.proxmox.control("daemon-up")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1


def test_trap_lock_left_behind_is_waited_on_then_told(world: worlds.World) -> None:
    from datetime import timedelta

    world.context.settings.__dict__["busy_patience"] = timedelta(seconds=0.2)
    world.proxmox.control("leftover-lock", vmid=100, lock="create")
    world.call("BackupNow")
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation), operation.lock) == ("failed", "VM is locked (create)", None)
    assert world.proxmox.tasks("vzdump") == []
