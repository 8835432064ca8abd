"""Traps of storages: they prune behind our back, refuse, show nothing, fill up, and are not where the VM is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from support import world as worlds
from support.client_steps import back_up, client_state, reason_text, restore, run_slot, task_types, warning_texts

from .storage_steps import sync, use_storage

pytestmark = pytest.mark.slow

SUNDAY = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(SUNDAY, tick=True) as found:
        yield found


def test_trap_retention_refuses_the_next_backup_before_anything_is_removed(world: worlds.World) -> None:
    use_storage(world, "nfs-keep2")
    first = back_up(world)
    assert "it may refuse further backups" in warning_texts(first)[0]
    back_up(world)

    operation = run_slot(world, "2026-11-23")

    assert operation.state == "refused"
    assert reason_text(operation).startswith(
        "The storage nfs-keep2 keeps at most 2 backups of a machine by its own retention"
    )
    assert (len(world.held()), task_types(world, "vzdump", "imgdel")) == (2, ["vzdump", "vzdump"])
    assert client_state(world)["last_operation"]["reason"] == reason_text(operation)


def test_trap_retention_as_wide_as_the_quota_lets_rotation_go_on(world: worlds.World) -> None:
    use_storage(world, "nfs-keep2", backups=2)
    back_up(world)
    back_up(world)
    operation = run_slot(world, "2026-11-23")

    assert (operation.state, reason_text(operation)) == ("done", "")
    assert task_types(world, "vzdump", "imgdel") == ["vzdump", "vzdump", "imgdel", "vzdump"]


def test_trap_retention_counts_neither_protected_archives_nor_other_machines(world: worlds.World) -> None:
    use_storage(world, "nfs-keep2")
    world.register("2", 101, "bob", storage="nfs-keep2")
    world.back_up(service_id="2")
    for _ in range(2):
        kept = world.back_up()
        assert world.call("KeepBackup", backup_id=kept.id, kept="1") == "success"

    assert back_up(world).state == "done"


def test_trap_own_backups_are_never_pruned_by_proxmox(world: worlds.World) -> None:
    use_storage(world, "nfs-keep2")
    back_up(world)
    back_up(world)
    refused = back_up(world)

    assert refused.state == "refused"
    assert len([one for one in world.proxmox.volumes("nfs-keep2") if one.vmid == 100]) == 2
    assert all("--remove 0" in task.lines[0] for task in world.proxmox.tasks("vzdump"))


def test_trap_pruned_behind_our_back_is_missing_not_removed(
    clock: time_machine.Coordinates, world: worlds.World
) -> None:
    world.back_up()
    clock.shift(timedelta(seconds=5))
    newest = world.back_up()
    world.proxmox.control("prune-behind", storage="nfs", keep=1, vmid=100)
    sync(world)
    clock.shift(timedelta(minutes=61))
    sync(world)

    shown = {backup["id"]: backup for backup in client_state(world)["backups"]}
    assert [backup["missing"] for backup in shown.values()].count(True) == 1
    assert not shown[newest.id]["missing"]
    assert client_state(world)["quota"]["used"] == 1


def test_trap_listing_is_empty_by_a_missing_right(clock: time_machine.Coordinates, world: worlds.World) -> None:
    world.back_up()
    user = world.proxmox.tokens["panel"][0]
    world.proxmox.control("acl", path="/", user=user, role="Panel", delete=True)
    world.proxmox.control("acl", path="/storage", user=user, role="Look", privileges=["Datastore.Audit"])
    for _ in range(3):
        sync(world)
        clock.shift(timedelta(hours=1))

    [shown] = client_state(world)["backups"]
    assert (shown["missing"], len(world.held())) == (False, 1)


def test_trap_folder_that_is_not_mounted_lists_nothing(clock: time_machine.Coordinates, world: worlds.World) -> None:
    world.back_up()
    world.proxmox.control("storage-empty", storage="nfs")
    sync(world)

    assert [backup["missing"] for backup in client_state(world)["backups"]] == [False]
    operation = restore(world, world.held()[0].id)

    assert (operation.state, reason_text(operation)) == (
        "refused",
        "The file of this backup is no longer on its storage.",
    )
    assert world.proxmox.vm(100).running
    assert task_types(world, "qmshutdown", "qmrestore") == []


def test_trap_storage_full(world: worlds.World) -> None:
    world.proxmox.control("storage-full", storage="nfs")
    operation = back_up(world)

    assert operation.state == "failed"
    assert "No space left on device" in reason_text(operation)
    assert world.proxmox.vm(100).lock is None


def test_trap_storage_full_by_its_last_sizes_is_seen_before_anything_is_removed(world: worlds.World) -> None:
    for _ in range(3):
        world.back_up()
    size = world.held()[0].size or 0
    world.proxmox.control("storage-config", storage="nfs", total=5 * size)
    use_storage(world, "nfs", backups=4)
    operation = run_slot(world, "2026-11-23")

    assert (operation.state, task_types(world, "imgdel"), len(world.held())) == ("waiting", [], 3)
    assert reason_text(operation) == "The storage nfs has no room for another backup."


def test_trap_storage_offline(world: worlds.World) -> None:
    world.back_up()
    world.proxmox.control("storage-offline", storage="nfs")
    operation = back_up(world)
    sync(world)

    assert (operation.state, reason_text(operation)) == ("failed", "The storage nfs is offline.")
    [shown] = client_state(world)["backups"]
    assert (shown["missing"], shown["restorable"]) == (False, False)
    assert "offline" in world.call("RestoreBackup", backup_id=shown["id"], confirm="web100")


def test_trap_vm_is_gone(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vm-destroyed", vmid=100)

    operation = back_up(world)
    assert (operation.state, reason_text(operation)) == ("failed", "The virtual machine 100 is no longer there.")
    assert [one.volid for one in world.held()] == [backup.volid]


def test_trap_number_belongs_to_another_machine_now(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("vmid-reused", vmid=100)
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()

    operation = world.operations()[-1]
    assert operation.state == "refused"
    assert "not the one that was registered" in reason_text(operation)
    assert world.proxmox.vm(100).config["name"] == "other100"
    assert task_types(world, "qmshutdown", "qmstop", "qmrestore") == []


def test_trap_archives_of_an_earlier_owner_are_invisible(world: worlds.World) -> None:
    world.register("3", 102, "carol", storage="nfs")
    sync(world)

    assert [volume.vmid for volume in world.proxmox.volumes("nfs")] == [102]
    assert world.held("3") == []
    made = world.back_up(service_id="3")
    sync(world)
    assert [backup.id for backup in world.held("3")] == [made.id]


def test_trap_machine_moved_away_from_a_storage_of_one_node(world: worlds.World) -> None:
    use_storage(world, "local")
    backup = world.back_up()
    world.proxmox.control("migrate", vmid=100, node="pve2")
    assert back_up(world).state == "done"

    answer = world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    assert answer == "Your server has moved away from its backups (on pve1). Contact support."
    assert [one["restorable"] for one in client_state(world)["backups"] if one["id"] == backup.id] == [False]
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    world.drain()
    assert [volume.node for volume in world.proxmox.volumes("local")] == ["pve2"]
