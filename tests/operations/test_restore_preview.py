"""Before a restore: what would happen, in words, and what stands against it."""

from __future__ import annotations

from typing import Any

import pytest
from operations.proxmox_versions import both_versions
from sqlalchemy import select
from support import world as worlds
from support.client_steps import reason_text, task_types

from puq_backups.models import Backup, Mail
from puq_backups.operations import preflight
from puq_backups.operations.preflight import Plan
from puq_backups.pve import vms
from puq_backups.rules.package import Package
from puq_backups.simulator.world.seed import GIB


def look(world: worlds.World, backup: Backup, **package: Any) -> Plan:
    return preflight.plan_restore(world.client, world.service(), backup, Package(**package))


def texts(messages: tuple[Any, ...]) -> list[str]:
    return [str(message) for message in messages]


def add_disk(world: worlds.World, slot: str, disk: str) -> None:
    vms.set_config(world.client, world.service().node, 100, {slot: disk})
    assert world.proxmox.idle()


@both_versions
def test_the_plan_says_what_will_happen(world: worlds.World) -> None:
    add_disk(world, "scsi1", "ceph:2")
    backup = world.back_up()
    vms.set_config(world.client, "pve1", 100, {}, delete=["scsi1"])
    add_disk(world, "scsi2", "ceph:3")
    world.proxmox.control_step({"control": "snapshot-taken", "vmid": 100, "name": "before-upgrade"})
    plan = look(world, backup, system_disk=20, additional_disk=1)

    assert texts(plan.reasons_against) == []
    assert texts(plan.warnings) == [
        "These snapshots of the server are deleted: before-upgrade.",
        "The disk scsi1 stays at 2 GiB, though the package has 1: a disk is never made smaller.",
    ]
    assert texts(plan.happens) == [
        "The server is running: it is shut down first, and started again at the end.",
        "The disk scsi0 (16 GiB) goes back to how it was in this backup.",
        "The disk scsi1 (2 GiB) comes back; the server does not have it now.",
        "The disk scsi2 is not in this backup: it keeps its data and is attached again.",
        "The disk scsi0 is enlarged to 20 GiB.",
        "CPU, memory, disks and network are set to what your package has.",
        "Name, notes, options, addresses and firewall rules stay as they are now.",
    ]
    assert (plan.running, plan.snapshots) == (True, ("before-upgrade",))
    assert plan.sizes == {"scsi0": 16 * GIB, "scsi1": 2 * GIB}
    assert Plan.from_json(plan.to_json()).to_json() == plan.to_json()


def test_a_disk_left_out_of_the_backup_is_attached_again_or_said_to_be_lost(world: worlds.World) -> None:
    add_disk(world, "scsi1", "ceph:2,backup=0")
    backup = world.back_up()
    assert "The disk scsi1 is not in this backup: it keeps its data and is attached again." in texts(
        look(world, backup).happens
    )

    vms.set_config(world.client, "pve1", 100, {}, delete=["scsi1"])
    assert world.proxmox.idle()
    plan = look(world, backup, additional_disk=5)
    assert texts(plan.warnings) == ["The disk scsi1 was left out of this backup and does not come back."]
    assert "A new, empty additional disk of 5 GiB is added." in texts(plan.happens)


def test_a_vm_that_is_off_or_locked_is_said_to_be(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-power", vmid=100, status="stopped")
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    plan = look(world, backup)

    assert texts(plan.happens)[0] == "The server is off; it is started at the end."
    assert texts(plan.warnings)[0].startswith("Another task blocks this server now (backup)")
    assert texts(plan.reasons_against) == []


AGAINST: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "storage offline": ({"control": "storage-offline", "storage": "nfs"}, {}, "The storage nfs is offline."),
    "file gone": ({"control": "archive-gone"}, {}, "The file of this backup is no longer on its storage."),
    "target offline": (
        {"control": "storage-offline", "storage": "ceph"}, {"restore_storage": "ceph"},
        "The disks would go to the storage ceph, which is offline.",
    ),
    "target takes no disks": (
        {}, {"restore_storage": "nfs"}, "The disks would go to the storage nfs, which takes no disks."
    ),
    "target unknown": (
        {}, {"restore_storage": "nowhere"}, "The disks would go to the storage nowhere, which cannot be used"
    ),
    "no room": (
        {"control": "storage-full", "storage": "ceph", "full": True}, {"restore_storage": "ceph"},
        "The storage ceph has no room: 16 GiB are needed, 0 are there.",
    ),
    "unreadable": (
        {"control": "refuse", "method": "GET", "path": "*/extractconfig", "status": 500, "reason": "bad archive"}, {},
        "This backup cannot be read: bad archive",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", AGAINST)
def test_what_stands_against_a_restore_is_found_before_anything_is_touched(world: worlds.World, why: str) -> None:
    condition, package, reason = AGAINST[why]
    world.call("ChangePackage", **world.params(storage="nfs", **package))
    backup = world.back_up()
    if condition:
        world.proxmox.control_step({**condition, **({"volid": backup.volid} if why == "file gone" else {})})
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()

    operation = world.operations()[-1]
    assert operation.state == "refused"
    assert reason_text(operation).startswith(reason)
    assert str(Plan.from_json(operation.data["preflight"]).reasons_against[0]) == reason_text(operation)
    assert task_types(world, "qmshutdown", "qmrestore", "qmconfig") == []
    assert (world.proxmox.vm(100).running, world.service().restore_failed) == (True, None)
    with world.context.database.open() as session:
        assert [mail.name for mail in session.scalars(select(Mail))] == ["Restore refused"]


def test_a_verification_that_failed_is_seen_live(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="pbs"))
    backup = world.back_up()
    world.proxmox.control("verification", volid=backup.volid, state="failed")

    assert texts(look(world, backup).reasons_against) == ["The storage found this backup to be damaged."]


def test_a_backup_of_another_service_or_another_node_is_none_to_restore(world: worlds.World) -> None:
    world.register("2", 101, "bob")
    backup = world.back_up()
    bobs = Backup(**{column.name: getattr(backup, column.name) for column in Backup.__table__.columns})
    bobs.service_id = "2"
    elsewhere = Backup(**{column.name: getattr(backup, column.name) for column in Backup.__table__.columns})
    elsewhere.node = "pve3"

    assert texts(look(world, bobs).reasons_against) == ["This backup does not belong to the service."]
    assert "moved away from its backups (on pve3)" in texts(look(world, elsewhere).reasons_against)[0]


def test_unknown_room_is_a_warning_and_no_refusal(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("storage-config", storage="ceph", total=8 * GIB)
    plan = look(world, backup, restore_storage="ceph")

    assert texts(plan.reasons_against) == []
    assert texts(plan.warnings) == ["The storage ceph may run full: the disks can take 16 GiB, 8 are there."]


def test_where_the_archive_may_not_be_opened_it_is_told_and_restored(world: worlds.World) -> None:
    backup = world.back_up()
    refusal = {"method": "GET", "path": "*/extractconfig", "status": 403, "reason": "Permission check failed"}
    world.proxmox.control("refuse", **refusal, times=None)
    plan = look(world, backup)

    assert texts(plan.reasons_against) == []
    assert "could not be looked at beforehand" in texts(plan.warnings)[0]
    assert plan.sizes == {}
