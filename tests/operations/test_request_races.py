"""Requests that meet each other, the schedule or a running restore, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import update
from support import world as worlds
from support.client_steps import advance_until, drain_while
from support.thorough import THOROUGH

from puq_backups import SYSTEM
from puq_backups.clock import tick
from puq_backups.models import Operation

pytestmark = pytest.mark.databases
ROUNDS = 200 if THOROUGH else 20
AT_ONCE = 50
SUNDAY = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
NOON = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "12:00" for day in range(7)} | {"timezone": "UTC"}


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """The answers of threads that begin together; an error in one is its answer."""
    barrier, answers = threading.Barrier(len(works)), [None] * len(works)

    def run(number: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            answers[number] = work()
        except Exception as error:  # noqa: BLE001 - a thread's error is looked at by the test
            answers[number] = error

    threads = [threading.Thread(target=run, args=one) for one in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.flow
def test_last_place_goes_to_one_of_fifty(world: worlds.World) -> None:
    """As the system, which no rate limit holds back. The operation of each round is taken out before the next one."""
    world.backups.call("ChangePackage", world.params(backups=1))
    ask = [lambda: world.backups.call("BackupNow", {"serviceid": "1"}, actor=SYSTEM)] * AT_ONCE

    for number in range(1, ROUNDS + 1):
        answers = at_once(*ask)

        assert answers.count("success") == 1, answers
        assert not [answer for answer in answers if isinstance(answer, Exception) or "wrong on our side" in answer]
        assert len(world.operations()) == number
        with world.context.database.begin() as session:
            session.execute(update(Operation).values(state="cancelled", lock=None, finished_at=SUNDAY))


@pytest.mark.flow
def test_restore_and_removal_of_the_same_backup(world: worlds.World) -> None:
    """The removal comes before, and the restore is refused; or after, and the restore was done."""
    for _ in range(3):
        backup = world.back_up()
        form = {"backup_id": backup.id, "confirm": "web100"}
        answers = at_once(
            lambda form=form: world.call("RestoreBackup", **form),
            lambda form=form: world.call("DeleteBackup", backup_id=form["backup_id"]),
        )
        world.drain()

        ended = [one for one in world.operations() if one.kind != "backup" and one.backup_id == backup.id]
        assert "success" in answers
        assert answers.count("success") == len(ended)
        assert [one.state for one in ended if one.kind == "remove"] in ([], ["done"])
        assert [one.state for one in ended if one.kind == "restore"] in ([], ["done"], ["refused"])
        assert world.service().restore_failed is None
        assert world.proxmox.vm(100).running


@pytest.mark.flow
def test_backup_that_was_kept_in_time_is_not_rotated(world: worlds.World) -> None:
    """Keeping and the run that would rotate the backup begin together: what was promised to the client holds."""
    with time_machine.travel(SUNDAY, tick=True) as clock:
        assert world.backups.call("ChangePackage", world.params(backups=2)) == "success"
        assert world.call("SaveSchedule", **NOON) == "success"
        for day in range(5):
            clock.move_to(SUNDAY + timedelta(days=day, hours=2, minutes=1))
            oldest = world.held()[0] if day > 1 else None

            def run() -> None:
                tick.tick(world.context)
                world.drain()

            def keep(oldest: Any = oldest) -> str:
                return str(world.call("KeepBackup", backup_id=oldest.id, kept="1")) if oldest else ""

            ended, answer = at_once(run, keep)

            assert ended is None
            if answer == "success" and oldest:
                assert oldest.id in {backup.id for backup in world.held()}
                assert world.call("KeepBackup", backup_id=oldest.id, kept="0") == "success"
            assert len(world.held()) <= 3


@pytest.mark.parametrize("function", ["ChangePackage", "TerminateAccount"])
@pytest.mark.flow
def test_host_acts_while_a_restore_runs(world: worlds.World, function: str) -> None:
    """It is taken at once and does not touch the restore, which ends with the package of that moment."""
    backup = world.back_up()
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.proxmox.control("hold", method="POST", path="*/qemu", label="restore")
    answers: list[Any] = []

    drain_while(
        world, "restore", lambda: answers.append(world.backups.call(function, world.params(backups=7, cores=1)))
    )

    ended = world.operations()[-1] if function == "ChangePackage" else world.operations()[1]
    vm = world.proxmox.vm(100)
    assert answers == ["success"]
    assert (ended.kind, ended.state, world.service().restore_failed) == ("restore", "done", None)
    assert len(world.proxmox.tasks("qmrestore")) == 1
    if function == "ChangePackage":
        assert (int(vm.config["cores"]), world.service().quota, vm.running) == (1, 7, True)
    else:
        assert world.service().status == "terminated"
        assert [volume.volid for volume in world.proxmox.volumes("local")] == [backup.volid]


def test_termination_stops_a_running_backup_once(world: worlds.World) -> None:
    world.proxmox.control("hold-task", type="vzdump", vmid=100)
    assert world.call("BackupNow") == "success"
    advance_until(world, lambda operation: operation.upid)

    answers = at_once(*[lambda: world.backups.call("TerminateAccount", world.params())] * 3)
    world.proxmox.control("release")
    world.drain()

    assert set(answers) == {"success"}
    assert [one.state for one in world.operations()] == ["cancelled"]
    assert (world.proxmox.volumes("local"), world.held()) == ([], [])
