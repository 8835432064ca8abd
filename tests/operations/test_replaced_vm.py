"""Another VM gets the number while a restore is at work: nothing of it is changed, and staff have to look."""

from __future__ import annotations

import pytest
from support import world as worlds
from support.client_steps import reason_text

from puq_backups.models import Backup, Service

FIRST, SECOND = "6b1f3a00-0000-4000-8000-00000000beef", "6b1f3a00-0000-4000-8000-00000000cafe"


def install(world: worlds.World, uuid: str) -> None:
    """Give the VM a uuid, as a reinstallation does."""
    world.proxmox.control("vm-config", vmid=100, set={"smbios1": f"uuid={uuid}"})
    with world.context.database.begin() as session:
        session.get_one(Service, "1").vm_identity = f"uuid:{uuid}"


def backed_up(world: worlds.World, uuid_now: str) -> Backup:
    """A backup of the VM with the uuid FIRST, which it may have no more."""
    install(world, FIRST)
    backup = world.back_up()
    install(world, uuid_now)
    return backup


def restore(world: worlds.World, backup: Backup) -> None:
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()


@pytest.mark.flow
@pytest.mark.parametrize("uuid_now", [FIRST, SECOND])
@pytest.mark.parametrize("task", ["qmrestore", "qmconfig"])
def test_vm_that_replaces_the_restored_one_is_left_alone(world: worlds.World, task: str, uuid_now: str) -> None:
    """The end of each task is seen some time after it."""
    # A limit cannot be sent with the restore: a step after it sets it.
    assert world.call("ChangePackage", **world.params(system_mbps_rd=50)) == "success"
    backup = backed_up(world, uuid_now)
    reused = {"control": "vmid-reused", "vmid": 100}
    world.proxmox.control("meanwhile", method="GET", path=f"*{task}*/status", times=1, step=reused)

    restore(world, backup)

    operation, there = world.operations()[-1], world.proxmox.vm(100)
    assert (operation.state, "not the one that was registered" in reason_text(operation)) == ("failed", True)
    assert (there.config["name"], there.running) == ("other100", False)
    assert world.proxmox.tasks()[-1].type == task
    assert world.service().problem


@pytest.mark.flow
def test_backup_from_before_a_reinstallation_brings_its_own_uuid(world: worlds.World) -> None:
    restore(world, backed_up(world, SECOND))

    assert (world.operations()[-1].state, world.service().vm_identity) == ("done", f"uuid:{FIRST}")
