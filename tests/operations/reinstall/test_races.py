"""VMs that others make, replace, start or destroy while a reinstallation runs."""

from __future__ import annotations

import pytest
from support import world as worlds

from puq_backups.operations import engine
from puq_backups.simulator.world.model import Guest

from .failed_restore import HA, advance_to_step, assert_vm_complete, fail_restore, run_reinstall, tasks, under_ha


def test_vm_that_somebody_makes_in_between_is_left_alone(world: worlds.World) -> None:
    fail_restore(world)
    advance_to_step(world, "clone_template")
    theirs = world.proxmox.vms[100] = Guest(100, "pve2", {"name": "theirs", "smbios1": "uuid=1"})
    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, "not the one that was registered" in str(operation.why)) == ("failed", True)
    assert (world.proxmox.vms[100], theirs.config["name"]) == (theirs, "theirs")
    assert world.service().problem
    assert "not the one" in world.call("Reinstall", confirm="REINSTALL")


def test_vm_that_replaces_ours_before_it_is_destroyed_is_left_alone(world: worlds.World) -> None:
    fail_restore(world)
    under_ha(world)
    advance_to_step(world, "destroy_vm")
    theirs = world.proxmox.vms[100] = Guest(100, "pve1", {"name": "theirs", "smbios1": "uuid=1"})
    world.drain()

    assert (world.operations()[-1].state, bool(world.service().problem)) == ("failed", True)
    assert world.proxmox.vms[100] is theirs
    assert (theirs.config, theirs.ha) == ({"name": "theirs", "smbios1": "uuid=1"}, None)


@pytest.mark.flow
def test_vm_that_is_made_while_we_clone_is_left_alone(world: worlds.World) -> None:
    fail_restore(world)
    advance_to_step(world, "clone_template")
    world.proxmox.control("hold", method="POST", path="*/clone", label="late")
    world.proxmox.control(
        "refuse", method="POST", path="*/clone", reason="unable to create VM 100: config file already exists"
    )
    world.proxmox.control("release", label="late")
    engine.advance(world.context, world.operations()[-1].id)
    theirs = world.proxmox.vms[100] = Guest(100, "pve1", {"name": "theirs", "smbios1": "uuid=1"})
    world.drain()

    assert world.operations()[-1].state == "failed"
    assert theirs.config == {"name": "theirs", "smbios1": "uuid=1"}


def test_vm_that_proxmox_does_not_destroy_stays_as_it_was(world: worlds.World) -> None:
    fail_restore(world)
    under_ha(world)
    world.proxmox.control("vm-config", vmid=100, set={"protection": 1})
    world.proxmox.control("refuse", method="DELETE", path="*/qemu/100", reason="There is a replication job")
    operation = run_reinstall(world)

    vm = world.proxmox.vm(100)
    assert (operation.state, "There is a replication job" in str(operation.why)) == ("failed", True)
    assert (vm.config["protection"], vm.ha, vm.ha_options, vm.running) == (1, "stopped", HA, False)
    assert {"qmclone", "qmdestroy", "resize"} & set(tasks(world)) == set()


@pytest.mark.flow
def test_vm_that_somebody_starts_in_between_is_stopped_first(world: worlds.World) -> None:
    fail_restore(world)
    advance_to_step(world, "destroy_vm")
    world.proxmox.control("vm-power", vmid=100, status="running")
    world.drain()

    assert world.operations()[-1].state == "done"
    assert_vm_complete(world)


@pytest.mark.flow
def test_vm_that_is_gone_already_is_made_again(world: worlds.World) -> None:
    fail_restore(world)
    world.proxmox.control("vm-destroyed", vmid=100)
    assert run_reinstall(world).state == "done"
    assert_vm_complete(world)
