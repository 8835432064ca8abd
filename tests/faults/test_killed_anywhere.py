"""A worker killed before and after each commit and each request of an operation, found by its own run.

On virtual time and in one process, so that a boundary costs a fraction of a second; tests/operations/ does the same
to a backup, a restore and a reinstallation with a real SIGKILL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from faults import virtual_time
from faults.boundaries import Boundaries, Killed
from support import world as worlds
from support.thorough import stride
from support.world import ALICE

from puq_backups.operations import dispatch, engine
from puq_backups.pve.vms import find_node

ENOUGH = 600


class Killing:
    """Alice's service, and a worker that is killed at a boundary."""

    def __init__(self, world: worlds.World, clock: virtual_time.Time, boundaries: Boundaries) -> None:
        self.world, self.clock, self.boundaries = world, clock, boundaries

    def live(self) -> list[Any]:
        return [one for one in self.world.operations() if one.state in {"waiting", "running", "stuck"}]

    def drain(self) -> None:
        """Start and work until nothing is left to do; a worker that is killed is replaced."""
        for _ in range(ENOUGH):
            if not self.live():
                return
            with suppress(Killed):
                dispatch.start_waiting(self.world.context)
                for one in self.live():
                    while engine.advance(self.world.context, one.id):
                        pass
            self.clock.advance(10)
        raise AssertionError([vars(one) for one in self.live()])

    def ask(self, function: str, **form: Any) -> None:
        answer = self.world.call(function, **form)
        assert answer == "success", (function, answer)

    def restore(self, backup_id: str, *, safety: bool = True) -> None:
        self.ask("RestoreBackup", backup_id=backup_id, confirm="web100", safety_copy="1" if safety else "0")

    def fail_restore(self, backup_id: str) -> str:
        """A restore that fails half-way, with a safety copy; the id of its operation."""
        self.world.proxmox.control("task-unexpected", type="qmrestore", vmid=100)
        self.restore(backup_id)
        self.drain()
        failed = self.world.service().restore_failed
        assert failed
        return str(failed)

    def everywhere(self, ask: Callable[[], None], check: Callable[[], None], step: int) -> int:
        """Ask anew for each boundary, kill there, go on, check: the number of boundaries."""
        for boundary in range(1, ENOUGH, step):
            ask()
            self.boundaries.kill_in = boundary
            self.drain()
            unmet, self.boundaries.kill_in = self.boundaries.kill_in, None
            check()
            if unmet is not None:
                return boundary - unmet
        raise AssertionError("the work never came to its end")

    def good(self, kind: str, *, tasks: int, type: str) -> None:  # noqa: A002 - as Proxmox calls it
        """The last operation is done, the service free, and so many tasks of a type were started for it."""
        operation, service = self.world.operations()[-1], self.world.service()
        assert (operation.kind, operation.state, operation.why, operation.lock) == (kind, "done", None, None)
        assert (service.restore_failed, service.problem) == (None, None)
        assert len(self.world.proxmox.tasks(type)) == tasks
        assert self.world.proxmox.vm(100).running


@pytest.fixture
def killing(tmp_path: Path) -> Iterator[Killing]:
    settings = {"bin_hours": 0, "safety_copy_days": 30, "rate_limits": (), "safety_copy": "offer"}
    with virtual_time.opened(tmp_path, **settings) as (world, clock):
        boundaries = Boundaries()
        world.host.actor = ALICE
        token_id, secret = world.proxmox.tokens["reinstall"]
        params = world.params(backups=900, storage="nfs", template=9000)
        params |= {"serverusername": token_id, "serverpassword": secret}
        assert world.backups.call("CreateAccount", params) == "success"
        found = Killing(world, clock, boundaries)
        found.ask("BackupNow")
        found.drain()
        with boundaries.watched():
            yield found


def backups(killing: Killing, kind: str) -> list[Any]:
    return [backup for backup in killing.world.held() if backup.kind == kind]


@pytest.mark.slow
def test_removal(killing: Killing) -> None:
    def ask() -> None:
        killing.ask("BackupNow")
        killing.drain()
        killing.ask("DeleteBackup", backup_id=killing.world.held()[-1].id)

    def check() -> None:
        assert killing.world.operations()[-1].state == "done"
        assert len(killing.world.held()) == 1 == len(of_ours(killing))

    assert killing.everywhere(ask, check, stride(3)) > 8


def of_ours(killing: Killing) -> list[str]:
    return [volume.volid for volume in killing.world.proxmox.volumes("nfs") if volume.vmid == 100]


@pytest.mark.slow
def test_restore_with_a_safety_copy(killing: Killing) -> None:
    first, times = killing.world.held()[0], iter(range(1, ENOUGH))

    def check() -> None:
        count = next(times)
        killing.good("restore", tasks=count, type="qmrestore")
        assert len(backups(killing, "safety")) == count == len(of_ours(killing)) - 1

    assert killing.everywhere(lambda: killing.restore(first.id), check, stride(17)) > 60


@pytest.mark.slow
def test_going_back_to_the_safety_copy(killing: Killing) -> None:
    first, times = killing.world.held()[0], iter(range(1, ENOUGH))

    def ask() -> None:
        failed = killing.fail_restore(first.id)
        killing.ask("BackToBefore", operation_id=failed)

    def check() -> None:
        # Each time two restores: the one that failed, and the one that went back.
        killing.good("restore", tasks=2 * next(times), type="qmrestore")

    assert killing.everywhere(ask, check, stride(29)) > 50


@pytest.mark.slow
def test_reinstallation(killing: Killing) -> None:
    first, times = killing.world.held()[0], iter(range(1, ENOUGH))

    def ask() -> None:
        killing.fail_restore(first.id)
        killing.ask("Reinstall", confirm="REINSTALL", safety_copy="0")

    def check() -> None:
        killing.good("reinstall", tasks=next(times), type="qmclone")
        assert find_node(killing.world.client, 100) == "pve1"

    assert killing.everywhere(ask, check, stride(43)) > 50
