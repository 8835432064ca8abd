"""Powering off the VM of a restore that somebody starts again."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import time_machine
from support import world as worlds
from support.client_steps import advance_until, reason_text, task_types

from puq_backups.models import Operation
from puq_backups.operations.steps import power

LATER = timedelta(hours=3)


@pytest.fixture
def switched_off(world: worlds.World) -> Operation:
    """A restore whose VM is off and whose disks are restored next."""
    backup = world.back_up()
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    return advance_until(world, lambda operation: operation.step == "restore_disks")


def start_vm(world: worlds.World) -> None:
    world.proxmox.control("vm-power", vmid=100, status="running")


@pytest.mark.usefixtures("switched_off")
def test_vm_that_is_started_long_after_it_was_off_is_powered_off_again(world: worlds.World) -> None:
    """The time that a safety copy took in between is not taken for time in which the VM would not go off."""
    start_vm(world)
    with time_machine.travel(datetime.now().astimezone() + LATER, tick=True):
        world.drain()

    assert world.operations()[-1].state == "done", reason_text(world.operations()[-1])
    assert task_types(world, "qmshutdown", "qmrestore", "qmstart") == ["qmshutdown"] * 2 + ["qmrestore", "qmstart"]


@pytest.mark.usefixtures("switched_off")
def test_vm_that_is_started_again_each_time_is_given_up(world: worlds.World) -> None:
    for _ in range(power.MOST_POWER_OFFS):
        start_vm(world)
        advance_until(world, lambda operation: operation.step == "power_off")
        advance_until(world, lambda operation: operation.step != "power_off" or operation.state != "running")
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, operation.data["touched"]) == ("failed", False)
    assert reason_text(operation) == power.STARTED_AGAIN
    assert not task_types(world, "qmrestore")
