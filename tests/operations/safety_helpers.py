"""Restores with a safety copy, for tests."""

from __future__ import annotations

from typing import Any

from support import world as worlds

from puq_backups.clock import expire_safety_copies
from puq_backups.models import Backup, Operation


def request_restore(world: worlds.World, backup_id: str, safety_copy: Any = "1") -> Operation:
    answer = world.call("RestoreBackup", backup_id=backup_id, confirm="web100", safety_copy=safety_copy)
    assert answer == "success", answer
    return world.operations()[-1]


def restore(world: worlds.World, backup_id: str, safety_copy: Any = "1") -> Operation:
    request_restore(world, backup_id, safety_copy)
    world.drain()
    return world.operations()[-1]


def safety_copies(world: worlds.World) -> list[Backup]:
    return [backup for backup in world.held() if backup.kind == "safety"]


def fail_restore(world: worlds.World, safety_copy: Any = "1") -> tuple[Operation, Backup]:
    """A restore that failed with the disks touched, and the backup it was of."""
    backup = world.back_up()
    world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
    failed = restore(world, backup.id, safety_copy)
    assert (failed.state, world.service().restore_failed) == ("failed", failed.id)
    return failed, backup


def expire_and_drain(world: worlds.World) -> None:
    """Request the removal of expired safety copies, and run all work."""
    expire_safety_copies.remove_expired(world.context)
    world.drain()
