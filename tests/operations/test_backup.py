"""A backup on its way: made, seen, listed; and what is said when it fails."""

from __future__ import annotations

import pytest
from support import world as worlds
from support.client_steps import advance_until

from puq_backups.pve import notes


def test_backup_is_made_seen_and_recorded(world: worlds.World) -> None:
    backup = world.back_up("before the upgrade")

    volume = world.proxmox.volumes("local")[0]
    assert (backup.volid, backup.note, backup.kind) == (volume.volid, "before the upgrade", "manual")
    assert backup.size
    assert (bool(backup.seen_at), backup.disks) == (True, 1)
    assert notes.find_marker(volume.notes) == (world.service().token, world.operations()[0].token)


def test_backup_request_is_sent_as_the_design_says(world: worlds.World) -> None:
    world.back_up()

    [task] = world.proxmox.tasks("vzdump")
    line = task.lines[0]
    for option in ("--compress zstd", "--mode snapshot", "--remove 0", "--protected 0", "--storage local"):
        assert option in line, line
    assert "--notification-mode legacy-sendmail" in line
    assert "mailto" not in line


def test_backup_of_a_locked_vm_waits_and_goes_on(world: worlds.World) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    assert world.call("BackupNow") == "success"
    operation = advance_until(world, lambda operation: operation.why)
    assert "locked (backup)" in str(operation.why)

    world.proxmox.control("operator-unlock", vmid=100)
    world.drain()

    assert world.operations()[0].state == "done"


def test_failed_backup_ends_with_proxmox_own_reason(world: worlds.World) -> None:
    world.proxmox.control("backup-error", vmid=100, text="job failed with err -5")
    world.call("BackupNow")
    world.drain()

    [operation] = world.operations()
    assert operation.state == "failed"
    assert "err -5" in str(operation.why)
    assert world.held() == []
    assert operation.lock is None


def test_backup_when_the_vm_is_another_one_is_refused_and_locks(world: worlds.World) -> None:
    world.proxmox.control("vmid-reused", vmid=100)
    world.call("BackupNow")
    world.drain()

    [operation] = world.operations()
    assert operation.state == "refused"
    assert "not the one that was registered" in str(operation.why)
    assert world.proxmox.tasks("vzdump") == []
    assert "not the one" in (world.backups.lock_reason("1") or "")


def test_backup_after_a_lost_answer_is_found_again_not_repeated(world: worlds.World) -> None:
    world.proxmox.control("drop", when="after", method="POST", path="*/vzdump")
    world.call("BackupNow")
    world.drain()

    assert world.operations()[0].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1
    assert len(world.held()) == 1


@pytest.mark.flow
def test_backup_after_a_request_that_never_arrived_is_sent_again(world: worlds.World) -> None:
    world.proxmox.control("drop", when="before", method="POST", path="*/vzdump")
    world.call("BackupNow")
    world.drain()

    assert world.operations()[0].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1


def test_backup_on_a_full_storage_says_so(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="tiny"))
    world.call("BackupNow")
    world.drain()

    [operation] = world.operations()
    assert operation.state == "failed"
    assert "No space left on device" in str(operation.why) or "no room" in str(operation.why)


def test_backup_of_a_vm_that_is_gone_says_so(world: worlds.World) -> None:
    world.proxmox.control("vm-destroyed", vmid=100)
    world.call("BackupNow")
    world.drain()

    [operation] = world.operations()
    assert operation.state == "failed"
    assert "no longer there" in str(operation.why)


def test_backup_on_an_offline_storage_says_so(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(storage="offline"))
    world.call("BackupNow")
    world.drain()

    assert str(world.operations()[0].why) == "The storage offline is offline."
