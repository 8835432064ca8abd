"""What Proxmox does to archives: verification, protection, removal; backup servers."""

from __future__ import annotations

import pytest
from support import world as worlds
from support.client_steps import advance_until, client_state, reason_text, run_slot, task_types

from puq_backups.pve import archives

from .storage_steps import sync, use_storage

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("offset", [7200, 3600])
def test_trap_names_are_in_the_nodes_own_time(world: worlds.World, offset: int) -> None:
    world.proxmox.control("clock-zone", seconds=offset)
    first = world.back_up()
    # The hour that comes twice: a later backup may bear an earlier name.
    world.proxmox.control("clock-zone", seconds=offset - 3600)
    second = world.back_up()
    sync(world)

    assert second.volid < first.volid
    assert [backup.id for backup in world.held()] == [first.id, second.id]
    assert [shown["id"] for shown in client_state(world)["backups"]] == [second.id, first.id]


def test_trap_pbs_names_sizes_and_space(world: worlds.World) -> None:
    use_storage(world, "pbs", backups=2)
    first, second = world.back_up(), world.back_up()
    assert first.volid.startswith("pbs:backup/vm/100/")
    world.proxmox.control("storage-config", storage="pbs", total=1)

    operation = run_slot(world, "2026-11-23")

    assert "no room" not in reason_text(operation)
    assert first.id not in {backup.id for backup in world.held()}
    assert second.id in {backup.id for backup in world.held()}


def test_trap_verification_failed_is_not_restorable_and_unverified_is(world: worlds.World) -> None:
    use_storage(world, "pbs")
    good, bad = world.back_up(), world.back_up()
    world.proxmox.control("verification", volid=bad.volid, state="failed")
    sync(world)

    shown = {backup["id"]: backup["restorable"] for backup in client_state(world)["backups"]}
    assert shown == {good.id: True, bad.id: False}
    answer = world.call("RestoreBackup", backup_id=bad.id, confirm="web100")
    assert answer == "The storage found this backup to be damaged."


def test_trap_protected_backups_are_capped(world: worlds.World) -> None:
    world.proxmox.control("storage-config", storage="nfs", max_protected_backups=1)
    first, second = world.back_up(), world.back_up()
    assert world.call("KeepBackup", backup_id=first.id, kept="1") == "success"

    answer = world.call("KeepBackup", backup_id=second.id, kept="1")

    assert "number of protected backups per guest is limited to 1" in answer
    assert [shown["kept"] for shown in client_state(world)["backups"]] == [False, True]


def test_trap_kept_by_an_operator_is_not_removed(world: worlds.World) -> None:
    backup = world.back_up()
    archives.set_protected(world.client, "pve1", backup.volid, True)
    assert world.call("RemoveBackup", backup_id=backup.id) == "success"
    world.drain()

    operation = world.operations()[-1]
    assert operation.state == "failed"
    assert "protected" in reason_text(operation)
    assert len(world.held()) == 1


def test_trap_removal_of_a_volume_that_is_gone_already(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("archive-gone", volid=backup.volid)
    world.call("RemoveBackup", backup_id=backup.id)
    world.drain()

    assert (world.operations()[-1].state, world.held()) == ("done", [])


def test_trap_storage_answers_later_than_the_proxy_waits(world: worlds.World) -> None:
    backup = world.back_up()
    world.proxmox.control("gateway-timeout", method="DELETE", path="*/content/*")
    world.call("RemoveBackup", backup_id=backup.id)
    advance_until(world, lambda operation: operation.intent)
    world.drain()

    assert (world.operations()[-1].state, task_types(world, "imgdel")) == ("done", ["imgdel"])
