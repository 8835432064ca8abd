"""VMs are found, read, switched, changed, destroyed and cloned."""

import pytest

from puq_backups.errors import ProxmoxRefused, VmMissing
from puq_backups.pve import vms
from puq_backups.pve.client import Proxmox
from puq_backups.simulator.simulator import Simulator

from .steps import finish, reason, switch_off


def test_vms_are_located_and_read(proxmox: Proxmox) -> None:
    assert {vmid: (place.node, place.name) for vmid, place in vms.locate(proxmox).items()} == {
        100: ("pve1", "web"),
        101: ("pve2", "db"),
    }
    assert (vms.find_node(proxmox, 101), vms.find_node(proxmox, 999)) == ("pve2", None)
    config = vms.config(proxmox, "pve1", 100)
    assert vms.identity(config) == "uuid:cbcfde9e-5a8e-4305-920d-90169ca15153"
    assert (vms.boot_disk(config), vms.memory_mib(config)) == ("scsi0", 512)
    status = vms.status(proxmox, "pve1", 100)
    assert (status.status, status.qmpstatus, status.lock, status.name) == ("running", "running", None, "web")


def test_a_vm_that_is_not_there_is_missing(proxmox: Proxmox) -> None:
    for call in (vms.config, vms.status, vms.snapshots):
        with pytest.raises(VmMissing):
            call(proxmox, "pve2", 100)


def test_power(simulator: Simulator, proxmox: Proxmox) -> None:
    assert finish(simulator, proxmox, vms.shutdown(proxmox, "pve1", 100, timeout=30)).ok
    assert vms.status(proxmox, "pve1", 100).status == "stopped"
    assert finish(simulator, proxmox, vms.start(proxmox, "pve1", 100)).ok
    assert vms.status(proxmox, "pve1", 100).status == "running"
    assert finish(simulator, proxmox, vms.stop(proxmox, "pve1", 100)).ok
    assert vms.status(proxmox, "pve1", 100).status == "stopped"


def test_a_configuration_is_changed_unless_somebody_else_did(simulator: Simulator, proxmox: Proxmox) -> None:
    switch_off(simulator, proxmox)
    digest = vms.config(proxmox, "pve1", 100)["digest"]
    changed = vms.set_config(proxmox, "pve1", 100, {"cores": 2, "onboot": True}, delete=["name"], digest=digest)
    assert (changed.type, finish(simulator, proxmox, changed).ok) == ("qmconfig", True)
    config = vms.config(proxmox, "pve1", 100)
    assert (config["cores"], config["onboot"], "name" in config) == (2, 1, False)

    with pytest.raises(ProxmoxRefused, match="checksum mismatch"):
        vms.set_config(proxmox, "pve1", 100, {"cores": 3}, digest=digest)


def test_a_disk_grows_and_never_shrinks(simulator: Simulator, proxmox: Proxmox) -> None:
    assert finish(simulator, proxmox, vms.resize(proxmox, "pve1", 100, "scsi0", "96M")).ok
    assert vms.disks(vms.config(proxmox, "pve1", 100))["scsi0"].options["size"] == "96M"

    task = finish(simulator, proxmox, vms.resize(proxmox, "pve1", 100, "scsi0", "32M"))

    assert reason(proxmox, task) == "shrinking disks is not supported"


def test_a_disk_is_made_left_unused_and_attached_again(simulator: Simulator, proxmox: Proxmox) -> None:
    switch_off(simulator, proxmox)
    assert finish(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {"scsi1": "local:1"})).ok
    made = vms.disks(vms.config(proxmox, "pve1", 100))["scsi1"]
    assert made.options["size"] == "1G"

    assert finish(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {}, delete=["scsi1"])).ok
    left = vms.unused(vms.config(proxmox, "pve1", 100))
    assert [drive.volid for drive in left.values()] == [made.volid]

    assert finish(simulator, proxmox, vms.set_config(proxmox, "pve1", 100, {"scsi1": made.format()})).ok
    assert vms.disks(vms.config(proxmox, "pve1", 100))["scsi1"] == made


def test_a_vm_is_destroyed_and_cloned_from_another(simulator: Simulator, proxmox: Proxmox) -> None:
    switch_off(simulator, proxmox)
    copy = vms.clone(proxmox, "pve1", 100, 102, name="copy")
    assert (copy.type, finish(simulator, proxmox, copy).ok) == ("qmclone", True)
    assert vms.config(proxmox, "pve1", 102)["name"] == "copy"

    gone = vms.destroy(proxmox, "pve1", 102)

    assert (gone.type, finish(simulator, proxmox, gone).ok) == ("qmdestroy", True)
    with pytest.raises(VmMissing):
        vms.config(proxmox, "pve1", 102)
