"""Lost answers, a failed copy, a missing template, and killed workers."""

from __future__ import annotations

import time

import pytest
from support import world as worlds
from support.kill_at_boundaries import at_every_boundary
from support.thorough import stride

from puq_backups.operations import engine
from puq_backups.pve import vms

from .failed_restore import (
    OWN,
    SETTINGS,
    advance_to_step,
    assert_vm_complete,
    fail_restore,
    mails,
    register,
    run_reinstall,
    tasks,
    under_ha,
)


@pytest.mark.slow
def test_answers_that_are_lost_repeat_nothing(world: worlds.World) -> None:
    for method, path in (("DELETE", "*/qemu/100"), ("POST", "*/clone")):
        for when in ("before", "after"):
            world.proxmox.reset()
            fail_restore(world)
            world.proxmox.control("drop", when=when, method=method, path=path)
            operation = run_reinstall(world)

            assert (operation.state, operation.why) == ("done", None), (method, when)
            assert_vm_complete(world)
            assert (tasks(world).count("qmdestroy"), tasks(world).count("qmclone")) == (1, 1), (method, when)


@pytest.mark.slow
def test_lost_clone_is_not_taken_for_another_ones_of_the_same_template(world: worlds.World) -> None:
    fail_restore(world)
    advance_to_step(world, "clone_template")
    world.proxmox.control("drop", when="before", method="POST", path="*/clone")
    engine.advance(world.context, world.operations()[-1].id)
    vms.clone(world.client, "pve1", 9000, 130)
    world.drain()

    assert world.operations()[-1].state == "done"
    assert_vm_complete(world)


@pytest.mark.slow
def test_slow_clone_whose_answer_was_lost_is_waited_for(world: worlds.World) -> None:
    fail_restore(world)
    advance_to_step(world, "clone_template")
    world.proxmox.control("drop", when="after", method="POST", path="*/clone")
    engine.advance(world.context, world.operations()[-1].id)
    assert world.proxmox.idle()
    world.proxmox.control("vm-config", vmid=100, set={"lock": "clone"})
    for _ in range(80):
        engine.advance(world.context, world.operations()[-1].id)
        time.sleep(0.01)  # longer in all than PUQ_BACKUPS_SETTLE
    assert world.operations()[-1].step == "clone_template"
    world.proxmox.control("vm-config", vmid=100, delete=["lock"])
    world.drain()

    assert_vm_complete(world)
    assert tasks(world).count("qmclone") == 1


@pytest.mark.slow
def test_copy_that_fails_leaves_a_way_on(world: worlds.World) -> None:
    fail_restore(world)
    under_ha(world)
    world.proxmox.control("task-fails", type="qmclone", text="clone failed: No space left on device")
    operation = run_reinstall(world)

    assert (operation.state, "No space left" in str(operation.why)) == ("failed", True)
    assert (100 in world.proxmox.vms, world.service().restore_failed) == (False, operation.id)
    assert "failed" in (world.backups.lock_reason("1") or "")
    assert mails(world) == [
        ("Reinstallation failed", "alice@example.org"), ("Reinstallation failed (staff)", "staff@example.net")
    ]  # fmt: skip
    assert run_reinstall(world).state == "done"
    assert_vm_complete(world)
    assert (world.proxmox.vm(100).ha, world.proxmox.world.pools_of("/vms/100")) == ("started", ["customers"])


@pytest.mark.slow
def test_template_that_goes_after_the_vm_leaves_the_restore_as_a_way_on(world: worlds.World) -> None:
    backup = world.back_up()
    fail_restore(world)
    under_ha(world)
    advance_to_step(world, "clone_template")
    world.proxmox.vms.pop(9000)
    world.drain()

    failed = world.operations()[-1]
    assert (failed.state, "The template 9000 is not there" in str(failed.why)) == ("failed", True)
    assert run_reinstall(world).state == "refused"
    assert world.service().restore_failed == failed.id
    assert world.call("RetryRestore", operation_id=failed.id, backup_id=backup.id) == "success"
    world.drain()

    vm, restored = world.proxmox.vm(100), world.operations()[-1]
    assert (restored.state, restored.why, world.service().restore_failed) == ("done", None, None)
    assert {key: vm.config.get(key) for key in SETTINGS} == {key: OWN[key] for key in SETTINGS}
    assert (vm.running, vm.ha, world.proxmox.world.pools_of("/vms/100")) == (True, "started", ["customers"])


@pytest.mark.slow
def test_reinstallation_killed_anywhere_goes_on(world: worlds.World) -> None:
    """Each fortieth boundary is tried, all of them by `make thorough`."""
    own = {"net0": OWN["net0"], "ciuser": "customer", "protection": 1}
    register(world, additional_disk="")

    def again() -> None:
        world.proxmox.reset()
        fail_restore(world, own, None)
        assert world.call("Reinstall", confirm="REINSTALL") == "success"

    def check(times: int) -> None:
        vm, operations = world.proxmox.vm(100), world.operations()
        assert [one.state for one in operations if one.kind == "reinstall"] == ["done"] * times
        assert (tasks(world).count("qmdestroy"), tasks(world).count("qmclone")) == (1, 1)
        assert {key: vm.config.get(key) for key in own} == own
        assert (vm.running, "size=16G" in vm.config["scsi0"], world.service().restore_failed) == (True, True, None)

    boundaries = at_every_boundary(world, again, check, stride=stride(40))

    assert boundaries > 60
