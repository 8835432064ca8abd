"""Backups and restores that are held while they run."""

from __future__ import annotations

from collections.abc import Callable

from support import world as worlds

from puq_backups.operations import engine, queue

BEING_MADE = "You cannot start, stop or restore until this backup is done."


def advance_until(world: worlds.World, ready: Callable[[], object]) -> None:
    """Move what is due, and nothing else, until something is so."""

    def move() -> bool:
        with world.context.database.open() as session:
            due = [one.id for one in queue.due(session)]
        for operation_id in due:
            engine.advance(world.context, operation_id)
        return bool(ready())

    assert world.proxmox.until(move)


def begin_backup(world: worlds.World) -> None:
    """A backup whose Proxmox task is running; `finish` lets it end."""
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    assert world.call("BackupNow") == "success"
    advance_until(world, lambda: world.proxmox.tasks("vzdump"))


def finish(world: worlds.World) -> None:
    world.proxmox.control("release", label="slow")
    world.drain()


def run_vm_action(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        pass


def begin_restore(world: worlds.World, safety_copy: str = "") -> None:
    """A restore, or its safety copy, whose Proxmox task is running; `finish` lets it end."""
    backup = world.back_up()
    kind = "vzdump" if safety_copy else "qmrestore"
    before = len(world.proxmox.tasks(kind))
    world.proxmox.control("hold-task", type=kind, vmid=100, label="slow")
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100", safety_copy=safety_copy)
    advance_until(world, lambda: len(world.proxmox.tasks(kind)) > before)


POINTS = ("PreModuleChangePackage", "PreModuleTerminate", "PreModuleChangePassword", "PreModuleCustom")
