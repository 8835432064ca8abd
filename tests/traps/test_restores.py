"""Traps of a restore: what Proxmox does to a VM half-way, behind our back, or not at all."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from support import world as worlds
from support.client_steps import advance_until, client_state, drain_while, reason_text, restore, task_types

from puq_backups.inventory import sync
from puq_backups.models import Server
from puq_backups.pve import tasks

pytestmark = pytest.mark.slow


def test_trap_vm_is_protected_between_the_last_look_and_the_restore(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("hold", method="POST", path="*/qemu", label="sent")
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    protect = {"vmid": 100, "set": {"protection": 1}}
    drain_while(world, "sent", lambda: world.proxmox.control("vm-config", **protect))
    operation = world.operations()[-1]

    assert (operation.state, world.service().restore_failed) == ("failed", None)
    assert reason_text(operation).startswith("The restore failed before anything was changed: ")
    assert "protection mode enabled" in reason_text(operation)
    assert world.proxmox.vm(100).running


def test_trap_vm_is_started_by_somebody_just_before_the_restore(world: worlds.World) -> None:
    backup = world.back_up()
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    advance_until(world, lambda operation: operation.step == "restore_disks")
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert task_types(world, "qmshutdown", "qmstop", "qmrestore") == ["qmshutdown", "qmshutdown", "qmrestore"]
    assert world.proxmox.vm(100).running


def test_trap_vm_is_started_between_the_last_look_and_the_restore(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("hold", method="POST", path="*/qemu", label="sent")
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    drain_while(world, "sent", lambda: world.proxmox.control("vm-power", vmid=100, status="running"))

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert task_types(world, "qmrestore", "qmshutdown") == ["qmshutdown", "qmrestore", "qmshutdown", "qmrestore"]
    assert world.service().restore_failed is None


def test_trap_archive_goes_between_the_last_look_and_the_restore(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("hold", method="POST", path="*/qemu", label="sent")
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    drain_while(world, "sent", lambda: world.proxmox.control("archive-gone", volid=backup.volid))

    operation, vm = world.operations()[-1], world.proxmox.vm(100)
    assert operation.state == "failed"
    assert reason_text(operation).startswith("The restore failed before anything was changed: ")
    assert (world.service().restore_failed, vm.running, "scsi0" in vm.config) == (None, True, True)


def test_trap_damaged_archive_leaves_a_vm_of_one_line(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    operation = restore(world, backup.id)

    vm = world.proxmox.vm(100)
    assert {key: str(vm.config[key]) for key in vm.config if key != "digest"} == {"memory": "128"}
    assert (operation.state, world.service().restore_failed, vm.running) == ("failed", operation.id, False)
    assert reason_text(operation).startswith("The restore failed: ")
    assert "failed" in (world.backups.lock_reason("1") or "")
    assert task_types(world, "qmconfig", "qmstart", "resize") == []
    assert "restore" in world.call("BackupNow").lower()
    assert client_state(world)["restore_failed"]


def test_damaged_backup_is_told_marked_and_no_longer_good(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    operation = restore(world, backup.id)

    assert reason_text(operation).startswith("The restore failed: this backup is damaged. ")
    assert [bool(held.damaged_at) for held in world.held()] == [True]
    assert [shown["restorable"] for shown in client_state(world)["backups"]] == [False]
    with world.context.database.open() as session:
        server = session.scalars(select(Server)).one()
    assert sync.sync_backups(world.context, server) is None
    assert [bool(held.damaged_at) for held in world.held()] == [True]
    assert "/mnt/" not in str(client_state(world))


def test_trap_worker_of_the_restore_is_killed(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("slow-restore", vmid=100, seconds=30)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    advance_until(world, lambda _: any(task.type == "qmrestore" for task in world.proxmox.tasks()))
    advance_until(world, lambda operation: operation.upid)
    assert world.proxmox.until(lambda: "scsi0" not in world.proxmox.vm(100).config)
    world.proxmox.control("worker-killed", upid=world.proxmox.tasks("qmrestore")[0].upid)
    world.proxmox.control("clear", of="slow-restore", vmid=100)
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert not world.proxmox.vm(100).running

    assert world.call("RetryRestore", operation_id=operation.id) == "success"
    if world.proxmox.vm(100).lock:
        assert "VM is locked (create)" in reason_text(advance_until(world, lambda one: one.why))
        world.proxmox.control("operator-unlock", vmid=100)
    world.drain()

    assert world.operations()[-1].state == "done"
    assert "BC:24:11:00:00:64" in world.proxmox.vm(100).config["net0"]
    assert world.proxmox.vm(100).running


def test_trap_error_after_the_data_was_restored(world: worlds.World) -> None:
    backup = world.back_up()
    world.call("ChangePackage", **world.params(storage="nfs", cores=4))
    world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    operation = restore(world, backup.id)

    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert reason_text(operation).startswith("The restore failed: ")
    assert not world.proxmox.vm(100).running


def test_trap_vm_does_not_start_after_the_restore(world: worlds.World) -> None:
    backup = world.back_up()
    world.call("ChangePackage", **world.params(storage="nfs", cores=4))
    world.proxmox.control("start-fail", vmid=100, text="bridge 'vmbr9' does not exist")
    operation = restore(world, backup.id)

    assert operation.state == "failed"
    assert reason_text(operation).startswith("The virtual machine would not start: ")
    assert int(world.proxmox.vm(100).config["cores"]) == 4


def test_trap_snapshots_go_with_a_restore_and_are_remembered(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control_step({"control": "snapshot-taken", "vmid": 100, "name": "before"})
    operation = restore(world, backup.id)

    assert (operation.state, operation.data["snapshots"]) == ("done", ["before"])
    assert world.proxmox.vm(100).snapshots == []


def test_trap_disk_left_out_of_the_backup_comes_back_with_its_data(world: worlds.World) -> None:
    from puq_backups.pve import vms

    vms.set_config(world.client, "pve1", 100, {"scsi1": "ceph:1,backup=0"})
    assert world.proxmox.idle()
    before = world.proxmox.vm(100).config["scsi1"].split(",")[0]
    world.call("ChangePackage", **world.params(storage="nfs", additional_disk=1, additional_storage="ceph"))
    backup = world.back_up()
    operation = restore(world, backup.id)

    config = world.proxmox.vm(100).config
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert config["scsi1"].split(",")[0] == before
    assert not [key for key in config if key.startswith("unused")]


def test_trap_ha_stops_and_starts_when_it_pleases(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("ha", vmid=100, state="started")
    operation = restore(world, backup.id)

    assert (operation.state, reason_text(operation)) == ("done", "")
    assert task_types(world, "hastop", "hastart", "qmrestore", "qmstop") == ["hastop", "qmrestore", "hastart"]
    assert world.proxmox.vm(100).running


def test_trap_restore_cancelled_at_proxmox(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("slow-restore", vmid=100, seconds=30)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    advance_until(world, lambda operation: operation.step == "restore_disks" and operation.upid)
    assert world.proxmox.until(lambda: "scsi0" not in world.proxmox.vm(100).config)
    tasks.stop(world.client, world.proxmox.tasks("qmrestore")[0].upid)
    world.proxmox.control("clear", of="slow-restore", vmid=100)
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, world.service().restore_failed) == ("failed", operation.id)
    assert not world.proxmox.vm(100).running
