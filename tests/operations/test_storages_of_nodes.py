"""Storages that the VM's node does not have, and archives that went away behind our back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from support import world as worlds
from support.client_steps import back_up, reason_text, restore, task_types

from puq_backups.clock import tick
from puq_backups.inventory import sync
from puq_backups.models import Backup, Chore, Mail, Server, now
from puq_backups.simulator import Simulator
from puq_backups.simulator.world import seed

GONE = "The file of this backup is no longer on its storage."


@pytest.fixture
def moved(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    """A service whose storage `bk1` is for node pve1 alone, with a backup there; the VM is on pve2 now."""
    state = seed.make_seed()
    state["storages"].append({"storage": "bk1", "type": "nfs", "content": ["backup"], "nodes": ["pve1"]})
    state["vms"]["100"]["config"]["scsi0"] = "ceph:vm-100-disk-0,size=16G"
    state["volumes"] = [volume for volume in state["volumes"] if volume.get("vmid") != 100]
    state["volumes"].append({"volid": "ceph:vm-100-disk-0", "vmid": 100, "size": 16 * 1024**3})
    proxmox.reset(state=state)
    world = worlds.make(proxmox, sqlite_url, redis_url, staff_email="staff@example.net")
    world.register(storage="bk1")
    world.back_up()
    proxmox.control("migrate", vmid=100, node="pve2")
    yield world
    world.context.database.engine.dispose()


def server(world: worlds.World) -> Server:
    with world.context.database.open() as session:
        return session.scalars(select(Server)).one()


def test_storage_and_node_are_named_and_staff_is_told_once(moved: worlds.World) -> None:
    operations = [back_up(moved), back_up(moved), restore(moved, moved.held()[0].id)]

    for operation in operations:
        assert reason_text(operation).startswith("The storage bk1 is not available on node pve2.")
    with moved.context.database.open() as session:
        mails = list(session.scalars(select(Mail).where(Mail.folder == "operation_trouble")))
    assert [mail.recipient for mail in mails] == ["staff@example.net"]


def test_backup_is_restorable_only_while_the_vms_node_has_its_storage(moved: worlds.World) -> None:
    def looked() -> tuple[bool, str]:
        with moved.context.database.begin() as session:
            session.execute(update(Chore).values(due_at=now()))
        tick.tick(moved.context)
        tick.tick(moved.context)
        [shown] = moved.call("ClientArea")["vars"]["backups"]
        return shown["restorable"], str(moved.service().last_good_at is not None)

    assert looked() == (False, "False")
    assert moved.service().node == "pve2"
    moved.proxmox.control("migrate", vmid=100, node="pve1")
    assert looked() == (True, "True")


def test_sync_keep_and_removal_ask_a_node_that_has_the_storage(moved: worlds.World) -> None:
    backup = moved.held()[0]
    assert sync.sync_backups(moved.context, server(moved)) is None
    assert moved.call("KeepBackup", backup_id=backup.id, kept="1") == "success"
    assert moved.call("KeepBackup", backup_id=backup.id, kept="0") == "success"
    assert moved.call("DeleteBackup", backup_id=backup.id) == "success"
    moved.drain()

    assert (moved.operations()[-1].state, reason_text(moved.operations()[-1]), moved.held()) == ("done", "", [])
    assert task_types(moved, "imgdel") == ["imgdel"]


@pytest.mark.parametrize("how", ["note", "keep", "restore"])
def test_archive_that_is_gone_is_found_and_marked_at_once(world: worlds.World, how: str) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-gone", volid=backup.volid)
    if how == "restore":
        assert reason_text(restore(world, backup.id)) == GONE
    elif how == "note":
        assert world.call("EditNote", backup_id=backup.id, note="x") == GONE
    else:
        assert world.call("KeepBackup", backup_id=backup.id, kept="1") == GONE

    assert world.held()[0].missing_at is not None


def test_row_of_a_missing_backup_can_be_removed_though_its_storage_is_away(world: worlds.World) -> None:
    backup = world.back_up()
    with world.context.database.begin() as session:
        session.get_one(Backup, backup.id).missing_at = backup.created_at
    world.proxmox.control("storage-offline", storage=backup.storage)
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    world.drain()

    assert (world.operations()[-1].state, world.held()) == ("done", [])
