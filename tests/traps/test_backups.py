"""Traps of vzdump: what looks like a success, a failure, or work, and is not."""

from __future__ import annotations

import pytest
from support import world as worlds
from support.client_steps import advance_until, back_up, client_state, drain_while, reason_text, warning_texts

from puq_backups.pve import tasks

pytestmark = pytest.mark.slow


def test_trap_ok_without_a_task_when_the_vm_moved_just_before(world: worlds.World) -> None:
    world.proxmox.control("hold", method="POST", path="*/vzdump", label="sent")
    world.call("BackupNow")
    drain_while(world, "sent", lambda: world.proxmox.control("migrate", vmid=100, node="pve2"))

    operation = world.operations()[-1]
    assert (operation.state, reason_text(operation)) == ("done", "")
    assert [task.node for task in world.proxmox.tasks("vzdump")] == ["pve2"]
    assert world.service().node == "pve2"
    assert len(world.proxmox.volumes("nfs")) == 1 + 1


def test_trap_vm_moved_since_it_was_registered(world: worlds.World) -> None:
    world.proxmox.control("migrate", vmid=100, node="pve3")

    assert back_up(world).state == "done"
    assert [task.node for task in world.proxmox.tasks("vzdump")] == ["pve3"]


def test_trap_task_runs_but_only_waits_for_the_nodes_lock(world: worlds.World) -> None:
    world.proxmox.control("vzdump-lock-held", node="pve1")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)

    shown = client_state(world)["operation"]
    assert (shown["state"], shown["step"], shown["progress"]) == ("running", "Copying the data", None)
    assert world.proxmox.vm(100).lock is None

    world.proxmox.control("vzdump-lock-released", node="pve1")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1
    assert "--lockwait 180" in "\n".join(world.proxmox.tasks("vzdump")[0].lines)


def test_trap_lock_wait_ends_as_unexpected_status(world: worlds.World) -> None:
    world.proxmox.control("vzdump-lock-held", node="pve1")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    [task] = world.proxmox.tasks("vzdump")
    tasks.stop(world.client, task.upid)
    assert world.proxmox.idle()
    assert task.exitstatus == "unexpected status"
    world.drain()

    operation = world.operations()[-1]
    assert operation.state == "failed"
    assert reason_text(operation).startswith(
        "Proxmox could not make the backup: can't acquire lock '/var/run/vzdump.lock'"
    )
    assert operation.lock is None


def test_trap_archive_is_whole_though_the_task_ended_unexpectedly(world: worlds.World) -> None:
    world.proxmox.control("task-unexpected", type="vzdump", vmid=100)
    operation = back_up(world)

    assert (operation.state, reason_text(operation)) == ("done", "")
    assert [backup.volid for backup in world.held()] == [world.proxmox.volumes("nfs")[-1].volid]


def test_trap_warnings_are_a_success_and_kept(world: worlds.World) -> None:
    world.proxmox.control(
        "task-warnings", type="vzdump", vmid=100, count=2, text="WARN: EFI disk without MS-2023 cert"
    )
    operation = back_up(world)

    assert (operation.state, reason_text(operation)) == ("done", "")
    assert warning_texts(operation) == ["EFI disk without MS-2023 cert"]
    assert client_state(world)["backups"][0]["restorable"]


def test_trap_job_errors_hides_the_reason_in_the_log(world: worlds.World) -> None:
    text = "VM 100 qmp command 'backup' failed - got timeout"
    world.proxmox.control("backup-error", vmid=100, text=text)
    operation = back_up(world)

    assert world.proxmox.tasks("vzdump")[0].exitstatus == "job errors"
    assert (operation.state, reason_text(operation)) == ("failed", f"Proxmox could not make the backup: {text}")
    assert client_state(world)["last_operation"]["reason"] == reason_text(operation)
    assert (operation.lock, world.proxmox.vm(100).lock, world.held()) == (None, None, [])


def test_trap_an_error_line_alone_is_no_failure(world: worlds.World) -> None:
    world.proxmox.control("hold-task", type="vzdump", vmid=100, label="asked")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    [task] = world.proxmox.tasks("vzdump")
    task.log("ERROR: VM 100 qga command 'guest-fsfreeze-freeze' failed - got timeout")
    world.proxmox.control("release", label="asked")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert len(world.held()) == 1


def test_file_systems_that_were_not_frozen_are_told_on_the_backup(world: worlds.World) -> None:
    world.proxmox.control("hold-task", type="vzdump", vmid=100, label="asked")
    world.call("BackupNow")
    advance_until(world, lambda operation: operation.upid)
    [task] = world.proxmox.tasks("vzdump")
    task.log("ERROR: VM 100 qga command 'guest-fsfreeze-freeze' failed - got timeout")
    world.proxmox.control("release", label="asked")
    world.drain()
    world.back_up()

    world.host.actor = worlds.ALICE
    [later, torn] = world.call("ClientArea")["vars"]["backups"]
    page = world.app.test_client().get("/services/1/backups/").text
    assert later["warnings"] == []
    [warning] = torn["warnings"]
    assert str(warning).startswith("The file systems could not be paused for this backup; databases may need a check")
    assert str(warning).endswith(": got timeout")
    assert page.count("databases may need a check after a restore") == 1
    assert page.count("With warnings") == 1


def test_trap_stop_mode_is_refused_under_ha(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="nfs", mode="stop"))
    world.proxmox.control("ha", vmid=100, state="started")
    operation = back_up(world)

    assert operation.state == "failed"
    assert "Cannot execute a backup with stop mode on a HA managed" in reason_text(operation)


def test_trap_worker_of_proxmox_killed_leaves_its_lock(world: worlds.World) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=30)
    world.call("BackupNow")
    advance_until(world, lambda _: world.proxmox.vm(100).lock)
    world.proxmox.control("worker-killed", upid=world.proxmox.tasks("vzdump")[0].upid)
    world.proxmox.control("clear", of="slow-backup", vmid=100)
    world.drain()

    assert world.operations()[-1].state == "failed"
    assert (world.proxmox.vm(100).lock, world.held()) == ("backup", [])

    world.call("BackupNow")
    waiting = advance_until(world, lambda operation: operation.why)
    assert "VM is locked (backup)" in str(waiting.why)

    world.proxmox.control("operator-unlock", vmid=100)
    world.drain()
    assert world.operations()[-1].state == "done"
