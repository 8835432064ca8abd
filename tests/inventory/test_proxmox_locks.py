"""Locks of Proxmox itself: how they are seen, and how long they are believed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from support import world as worlds

from puq_backups import Refused
from puq_backups.models import now

from .running_operations import BEING_MADE, POINTS, begin_backup, finish, run_vm_action


@pytest.mark.flow
def test_lock_of_our_own_backup_is_not_taken_for_anothers(world: worlds.World) -> None:
    begin_backup(world)
    asked = len(world.proxmox.requests())
    for point in POINTS:
        world.backups.hooks.run(point, params={"serviceid": 1})
    with pytest.raises(Refused):
        run_vm_action(world)
    assert len(world.proxmox.requests()) == asked
    assert world.service().vm_lock == ""

    finish(world)

    assert world.backups.lock_reason("1") is None


def test_lock_that_a_killed_backup_left_behind_holds_up_everybody_until_it_is_gone(world: worlds.World) -> None:
    begin_backup(world)
    assert world.proxmox.until(lambda: world.proxmox.vm(100).lock == "backup")
    world.proxmox.control("worker-killed", upid=world.proxmox.tasks("vzdump")[0].upid)
    world.drain()
    left = "Another task blocks this server now (backup)."

    assert (world.operations()[-1].state, world.backups.lock_reason("1")) == ("failed", left)
    with pytest.raises(Refused, match="blocks"):
        run_vm_action(world)
    assert world.backups.hooks.run("PreModuleCustom", params={"serviceid": 1}) == [{"abortcmd": True, "reason": left}]

    world.proxmox.control("operator-unlock", vmid=100)
    run_vm_action(world)
    assert world.backups.lock_reason("1") is None


def test_vm_action_sees_a_lock_of_proxmox_and_that_it_has_gone(world: worlds.World) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="snapshot")
    assert world.backups.lock_reason("1") is None, "nobody has looked yet"
    with pytest.raises(Refused, match=r"now \(snapshot\)"):
        run_vm_action(world)
    assert "now (snapshot)" in str(world.backups.lock_reason("1"))

    world.proxmox.control("operator-unlock", vmid=100)
    run_vm_action(world)

    assert world.backups.lock_reason("1") is None


def test_vm_action_sees_a_lock_on_the_node_that_the_vm_moved_to(world: worlds.World) -> None:
    world.register("3", 102, "charlie", storage="nfs")
    world.proxmox.control("migrate", vmid=102, node="pve3")
    world.proxmox.control("leftover-lock", vmid=102, lock="backup")

    with pytest.raises(Refused, match=r"now \(backup\)"), world.backups.vm_action("3"):
        pass


def test_lock_of_proxmox_is_not_believed_for_ever(world: worlds.World) -> None:
    with time_machine.travel(now(), tick=True) as clock:
        world.proxmox.control("leftover-lock", vmid=100, lock="snapshot")
        with pytest.raises(Refused):
            run_vm_action(world)
        world.proxmox.control("operator-unlock", vmid=100)
        clock.shift(timedelta(minutes=6))

        assert world.backups.lock_reason("1") is None


@pytest.mark.flow
def test_own_locks_alone_count_while_proxmox_cannot_be_reached(world: worlds.World) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="snapshot")
    unreachable = {"method": "GET", "path": "*/status/current", "status": 595, "reason": "No route to host"}
    world.proxmox.control("refuse", times=1000, **unreachable)
    run_vm_action(world)
    assert world.backups.hooks.run("PreModuleCustom", params={"serviceid": "1"}) == []

    world.proxmox.control("operator-unlock", vmid=100)
    world.proxmox.control("release", of="refuse")
    begin_backup(world)
    world.proxmox.control("refuse", times=1000, **unreachable)
    with pytest.raises(Refused, match="until this backup is done"):
        run_vm_action(world)

    world.proxmox.control("release", of="refuse")
    finish(world)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.flow
def test_pre_module_hook_aborts_while_a_backup_runs(world: worlds.World, point: str) -> None:
    begin_backup(world)
    answers = world.backups.hooks.run(point, params={"serviceid": 1})
    finish(world)

    assert answers == [{"abortcmd": True, "reason": BEING_MADE}]
    assert world.backups.hooks.run(point, params={"serviceid": 1}) == []


@pytest.mark.parametrize("point", POINTS)
def test_pre_module_hook_aborts_while_proxmox_holds_the_vm(world: worlds.World, point: str) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    [answer] = world.backups.hooks.run(point, params={"serviceid": "1"})

    assert answer["abortcmd"] is True
    assert "blocks this server now (backup)" in answer["reason"]


@pytest.mark.parametrize("params", [{}, {"serviceid": None}, {"serviceid": "77"}])
def test_pre_module_hook_says_nothing_of_a_service_that_is_not_ours(
    world: worlds.World, params: dict[str, object]
) -> None:
    assert world.backups.hooks.run("PreModuleTerminate", params=params) == []
