"""A worker killed (SIGKILL) at every boundary there is, one after the other, and started again.

The boundaries are found, not listed: before and after each commit, and before and after each request to Proxmox.
The killed process is a fork, the one that goes on is this one. A restore has more than a hundred boundaries: each
third one is tried, all of them with ALL_BOUNDARIES=1 in the environment.
"""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import world as worlds
from requests.adapters import HTTPAdapter
from sqlalchemy import event
from sqlalchemy.orm import Session

ENOUGH = 400


def killed_at(world: worlds.World, boundary: int) -> bool:
    """Work in a fork that kills itself at its n-th boundary; False where it came to the end before."""
    with warnings.catch_warnings():
        # Python 3.12 warns of threads at a fork; the simulator's stay behind in this process, as they should.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _work_until(world, boundary)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _work_until(world: worlds.World, boundary: int) -> None:
    world.toolbox.database.engine.dispose(close=False)
    left = boundary

    def reached(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    send = HTTPAdapter.send

    def sent(self: HTTPAdapter, *args: Any, **more: Any) -> Any:
        reached()
        answer = send(self, *args, **more)
        reached()
        return answer

    event.listen(Session, "before_commit", reached)
    event.listen(Session, "after_commit", reached)
    HTTPAdapter.send = sent  # type: ignore[method-assign]  # in a process that ends right after
    world.drain(30)


def at_every_boundary(
    world: worlds.World, ask: Callable[[], None], check: Callable[[int], None], *, stride: int = 1
) -> int:
    """Ask anew for each boundary, kill there, go on here, check (how often was asked): how many there were."""
    for times, boundary in enumerate(range(1, ENOUGH, stride), 1):
        ask()
        killed = killed_at(world, boundary)
        world.drain(30)
        check(times)
        if not killed:
            return boundary - 1
    raise AssertionError("the work never came to its end")


@pytest.mark.timeout(240)
def test_backup_killed_anywhere_is_made_exactly_once(world: worlds.World) -> None:
    world.call("ChangePackage", **world.params(backups=1000))

    def ask() -> None:
        assert world.call("BackupNow") == "success"

    def check(times: int) -> None:
        states = [operation.state for operation in world.operations()]
        assert states == ["done"] * times
        assert len(world.proxmox.tasks("vzdump")) == times
        assert len(world.held()) == times == len(world.proxmox.volumes("local"))
        assert world.operations()[-1].lock is None

    boundaries = at_every_boundary(world, ask, check)

    assert boundaries > 20


@pytest.mark.timeout(420)
def test_restore_killed_anywhere_ends_the_same(world: worlds.World) -> None:
    backup = world.back_up()
    package = {
        "cores": 2, "memory": 1024, "system_disk": 20, "system_mbps_rd": 50, "vlan": 7, "additional_disk": 1,
        "additional_storage": "ceph", "additional_iops_rd": 500,
    }  # fmt: skip
    world.call("ChangePackage", **world.params(**package))

    def ask() -> None:
        assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"

    def check(times: int) -> None:
        operation, vm = world.operations()[-1], world.proxmox.vm(100)
        assert (operation.state, operation.why, operation.lock) == ("done", None, None)
        assert len(world.proxmox.tasks("qmrestore")) == times
        assert (int(vm.config["cores"]), int(vm.config["memory"]), vm.running) == (2, 1024, True)
        assert {"size=20G", "mbps_rd=50"} <= set(vm.config["scsi0"].split(","))
        assert "iops_rd=500" in vm.config["scsi1"].split(",")
        assert {"virtio=BC:24:11:00:00:64", "tag=7"} <= set(vm.config["net0"].split(","))
        assert not [key for key in vm.config if key.startswith(("unused", "scsi2"))]

    boundaries = at_every_boundary(world, ask, check, stride=1 if os.environ.get("ALL_BOUNDARIES") else 3)

    assert boundaries > 60
