"""A restore on its way: off, restored, the package again, on; and what a failed one leaves."""

from __future__ import annotations

import pytest
from support import world as worlds

from puq_backups.operations import engine
from puq_backups.pve import vms


def ask(world: worlds.World, backup_id: str) -> None:
    answer = world.call("RestoreBackup", backup_id=backup_id, confirm="WEB100 ")
    assert answer == "success", answer
    world.drain()


def changes(world: worlds.World) -> list[str]:
    return [task.type for task in world.proxmox.tasks() if task.type in {"qmconfig", "resize"}]


def test_restore_brings_the_vm_back_with_its_package(world: worlds.World) -> None:
    backup = world.back_up()
    package = {
        "cores": 2, "memory": 1024, "system_disk": 20, "system_mbps_rd": 50, "bridge": "vmbr0", "vlan": 7,
        "rate": 12.5, "additional_disk": 1, "additional_storage": "ceph", "additional_iops_rd": 500,
    }  # fmt: skip
    assert world.call("ChangePackage", **world.params(**package)) == "success"
    ask(world, backup.id)

    operation = world.operations()[-1]
    config = world.proxmox.vm(100).config
    assert (operation.state, operation.why) == ("done", None)
    assert (int(config["cores"]), int(config["memory"])) == (2, 1024)
    assert {"size=20G", "mbps_rd=50"} <= set(config["scsi0"].split(","))
    assert config["scsi1"].startswith("ceph:")
    assert "iops_rd=500" in config["scsi1"].split(",")
    assert {"virtio=BC:24:11:00:00:64", "tag=7", "rate=12.5"} <= set(config["net0"].split(","))
    assert world.proxmox.vm(100).running


def test_restore_of_an_unchanged_package_changes_nothing(world: worlds.World) -> None:
    backup = world.back_up()
    ask(world, backup.id)

    assert world.operations()[-1].state == "done"
    assert changes(world) == []


def test_restore_powers_a_running_vm_off_first(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="running")
    ask(world, backup.id)

    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("qmshutdown")) == 1


def test_restore_stops_a_vm_that_ignores_the_shutdown(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.proxmox.control("powerdown-ignored", vmid=100)
    ask(world, backup.id)

    assert world.operations()[-1].state == "done"
    assert len(world.proxmox.tasks("qmstop")) == 1


def test_restore_needs_the_vm_name_typed(world: worlds.World) -> None:
    backup = world.back_up()

    answer = world.call("RestoreBackup", backup_id=backup.id, confirm="web101")

    assert "web100" in answer
    assert [operation.kind for operation in world.operations()] == ["backup"]


@pytest.mark.flow
def test_restore_with_damaged_archive_leaves_the_vm_off_and_can_be_retried(world: worlds.World) -> None:
    good, bad = world.back_up(), world.back_up()
    world.proxmox.control("archive-damaged", volid=bad.volid)
    ask(world, bad.id)

    failed = world.operations()[-1]
    assert failed.state == "failed"
    assert world.service().restore_failed == failed.id
    assert not world.proxmox.vm(100).running
    assert "failed" in (world.backups.lock_reason("1") or "")

    assert world.call("RetryRestore", operation_id=failed.id, backup_id=good.id) == "success"
    world.drain()

    assert world.operations()[-1].state == "done"
    assert world.service().restore_failed is None
    assert world.proxmox.vm(100).running
    assert "BC:24:11:00:00:64" in world.proxmox.vm(100).config["net0"]


def test_restore_refused_before_anything_was_touched_starts_the_vm_again(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.proxmox.control("refuse", method="POST", path="*/nodes/*/qemu", status=500, reason="no quota left")
    ask(world, backup.id)

    operation = world.operations()[-1]
    assert operation.state == "failed"
    assert "no quota left" in str(operation.why)
    assert world.service().restore_failed is None
    assert world.proxmox.vm(100).running


@pytest.mark.flow
def test_restore_keeps_the_additional_disk_the_backup_lacked(world: worlds.World) -> None:
    backup = world.back_up()
    vms.set_config(world.client, world.service().node, 100, {"scsi1": "ceph:1"})
    assert world.proxmox.idle()
    before = world.proxmox.vm(100).config["scsi1"].split(",")[0]
    world.call("ChangePackage", **world.params(additional_disk=1, additional_storage="ceph"))
    ask(world, backup.id)

    assert world.operations()[-1].state == "done"
    assert world.proxmox.vm(100).config["scsi1"].split(",")[0] == before


def test_restore_never_shrinks_a_disk_and_says_so(world: worlds.World) -> None:
    vms.resize(world.client, world.service().node, 100, "scsi0", "18G")
    assert world.proxmox.idle()
    backup = world.back_up()
    world.call("ChangePackage", **world.params(system_disk=17))
    ask(world, backup.id)

    operation = world.operations()[-1]
    assert operation.state == "done"
    assert "never made smaller" in str(operation.warnings)


@pytest.mark.slow
def test_restore_whose_answer_was_lost_is_not_taken_for_the_one_before(world: worlds.World) -> None:
    backup = world.back_up()
    ask(world, backup.id)
    world.proxmox.control("drop", when="before", method="POST", path="*/qemu")
    ask(world, backup.id)

    assert [operation.state for operation in world.operations()] == ["done", "done", "done"]
    assert len(world.proxmox.tasks("qmrestore")) == 2


@pytest.mark.flow
def test_restore_asks_the_host_for_the_package_as_it_is_now(world: worlds.World) -> None:
    backup = world.back_up()
    world.host.service_params = lambda service_id: world.params(service_id, cores=3)  # type: ignore[attr-defined]  # optional
    ask(world, backup.id)

    assert int(world.proxmox.vm(100).config["cores"]) == 3


@pytest.mark.flow
def test_terminating_stops_a_running_backup(world: worlds.World) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=30)
    world.call("BackupNow")
    for _ in range(4):
        engine.advance(world.context, world.operations()[0].id)
    assert world.call("TerminateAccount") == "success"
    world.drain()

    [operation] = world.operations()
    assert operation.state in {"failed", "cancelled"}
    assert operation.lock is None
    assert world.proxmox.tasks("vzdump")[0].exitstatus == "interrupted by signal"
