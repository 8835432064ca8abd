"""A reinstallation after a failed restore: the VM is destroyed, cloned again, and gets its own settings back."""

from __future__ import annotations

import pytest
from support import world as worlds

from puq_backups.client_area import page
from puq_backups.errors import Message
from puq_backups.operations import reinstall

from .failed_restore import HA, OWN, assert_vm_complete, fail_restore, mails, run_reinstall, under_ha


@pytest.mark.parametrize("pve", ["9.2", "8.4"])
@pytest.mark.flow
def test_vm_is_made_again_with_all_that_was_its_own(world: worlds.World, pve: str) -> None:
    world.proxmox.reset(pve=pve)
    backup = world.back_up()
    fail_restore(world)
    under_ha(world)
    operation = run_reinstall(world)

    assert (operation.state, operation.why) == ("done", None)
    assert_vm_complete(world)
    vm = world.proxmox.vm(100)
    assert (vm.ha, vm.ha_options, world.proxmox.world.pools_of("/vms/100")) == ("started", HA, ["customers"])
    assert [volume.volid for volume in world.proxmox.volumes("local")] == [backup.volid]
    assert "Please set a new one" in str(operation.warnings)
    for told in ("The start order could not be put back", "disks of the server are gone: scsi2"):
        assert told in " ".join(str(Message.from_json(warning)) for warning in operation.warnings)
    assert mails(world) == [("Virtual machine reinstalled", "alice@example.org")]
    assert world.back_up().size


@pytest.mark.flow
def test_keys_that_proxmox_no_longer_accepts_leave_nobody_without_a_vm(world: worlds.World) -> None:
    fail_restore(world, OWN | {"sshkeys": "ssh-dss%20AAAA%20me%40home"})
    operation = run_reinstall(world)

    config = world.proxmox.vm(100).config
    assert (operation.state, operation.why) == ("done", None)
    assert "SSH public key validation error" in str(operation.warnings)
    assert (config["ciuser"], config["net0"], "sshkeys" in config) == (OWN["ciuser"], OWN["net0"], False)


@pytest.mark.slow
def test_vm_is_made_again_after_a_real_failure_and_its_backups_stay(world: worlds.World) -> None:
    good, bad = world.back_up(), world.back_up()
    world.proxmox.control("archive-damaged", volid=bad.volid)
    assert world.call("RestoreBackup", backup_id=bad.id, confirm="web100") == "success"
    world.drain()
    assert world.service().restore_failed
    operation = run_reinstall(world)

    assert (operation.state, operation.why) == ("done", None)
    assert "virtio=BC:24:11:00:00:64" in world.proxmox.vm(100).config["net0"]
    assert {backup.id for backup in world.held()} == {good.id, bad.id}
    assert world.call("RestoreBackup", backup_id=good.id, confirm="web100") == "success"
    world.drain()
    assert world.operations()[-1].state == "done"


@pytest.mark.flow
def test_vm_on_another_node_than_the_template_goes_to_a_shared_storage(world: worlds.World) -> None:
    world.proxmox.control("migrate", vmid=100, node="pve2")
    fail_restore(world)
    assert run_reinstall(world).state == "done"

    vm = world.proxmox.vm(100)
    assert (vm.node, world.service().node, vm.running) == ("pve2", "pve2", True)
    assert vm.config["scsi0"].startswith("ceph:")


def test_each_step_has_a_label() -> None:
    assert {step.__name__ for step in reinstall.STEPS} <= set(page.LABELS["reinstall"])
