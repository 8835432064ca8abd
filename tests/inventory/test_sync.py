"""Sync: rows match volumes, an empty listing removes nothing, archives of others are not adopted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete
from support import world as worlds

from puq_backups.clock import periodic
from puq_backups.inventory import recorded_archives
from puq_backups.models import Backup
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> worlds.World:
    found = worlds.make(proxmox, sqlite_url, redis_url, missing_after="0.000001s")
    found.register()
    return found


def test_sync_adopts_an_archive_of_ours_that_lost_its_row(world: worlds.World) -> None:
    backup, other = world.back_up("lost and found"), world.back_up()
    with world.context.database.begin() as session:
        session.execute(delete(Backup).where(Backup.id == backup.id))

    periodic.sync_all(world.context)

    assert {held.volid for held in world.held()} == {backup.volid, other.volid}
    assert "lost and found" in {held.note for held in world.held()}


def test_sync_leaves_archives_without_our_marker_alone(world: worlds.World) -> None:
    world.back_up()
    strangers = [volume.volid for volume in world.proxmox.volumes("local") if "[puqb:" not in (volume.notes or "")]
    periodic.sync_all(world.context)

    assert len(world.held()) == 1
    assert not {held.volid for held in world.held()} & set(strangers)


def test_sync_marks_as_missing_only_what_was_gone_twice(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-gone", volid=backup.volid)

    periodic.sync_all(world.context)
    assert world.held()[0].missing_at is None
    periodic.sync_all(world.context)

    assert world.held()[0].missing_at is not None


def test_sync_of_an_offline_storage_marks_nothing(world: worlds.World) -> None:
    world.back_up()
    world.proxmox.control("storage-offline", storage="local")
    periodic.sync_all(world.context)
    periodic.sync_all(world.context)

    assert world.held()[0].gone_since is None
    vars_ = world.call("ClientArea")["vars"]
    assert str(vars_["backups"][0]["reason_against"]["restore"]) == "The storage of this backup is offline."


def test_sync_sees_where_the_vms_are(world: worlds.World) -> None:
    world.proxmox.control("migrate", vmid=100, node="pve2")
    world.proxmox.control("vm-power", vmid=100, status="stopped")
    periodic.sync_all(world.context)

    assert (world.service().node, world.service().vm_status) == ("pve2", "stopped")


@pytest.mark.flow
def test_backup_on_a_node_local_storage_says_so_when_the_vm_has_moved(world: worlds.World) -> None:
    backup = world.back_up()
    assert backup.node == "pve1"
    world.proxmox.control("migrate", vmid=100, node="pve2")
    periodic.sync_all(world.context)

    answer = world.call("RestoreBackup", backup_id=backup.id, confirm="web100")

    assert answer == "Your server has moved away from its backups (on pve1). Contact support."


def test_backup_of_a_vm_that_migrated_finds_it_again(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="nfs"))
    world.proxmox.control("migrate", vmid=100, node="pve3")

    world.back_up()

    assert world.service().node == "pve3"


def test_archive_under_the_name_of_a_removed_one_is_a_backup_of_its_own(world: worlds.World) -> None:
    first = world.back_up("first")
    assert world.call("RemoveBackup", backup_id=first.id) == "success"
    world.drain()
    world.call("BackupNow", note="second")
    operation = world.operations()[-1]
    with world.context.database.begin() as session:
        again = recorded_archives.record_archive(
            session, world.service(), operation, volid=first.volid, node="", disks=1, grace=timedelta()
        )

    assert [(backup.id, backup.note) for backup in world.held()] == [(again.id, "second")]
    assert again.id != first.id
