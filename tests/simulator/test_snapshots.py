"""Snapshots, clones of them and disks in them, as pve-guest-common's AbstractConfig.pm and qemu-server's API say."""

import pytest

VM = "/nodes/pve1/qemu/100"


@pytest.fixture
def vm(proxmox, api):
    """A stopped VM with a disk that can have snapshots, and two of them."""
    proxmox.control("migrate", vmid=103, node="pve1")
    api.task("POST", f"{VM}/status/stop")
    api.data("PUT", f"{VM}/config", scsi0="ceph:2", description="at first")
    api.data("PUT", f"{VM}/config", delete="unused0")
    assert api.task("POST", f"{VM}/snapshot", snapname="one", description="with words \n") == "OK"
    api.data("PUT", f"{VM}/config", scsi1="ceph:1", description="later")
    assert api.task("POST", f"{VM}/snapshot", snapname="two") == "OK"
    return proxmox.vm(100)


def test_what_a_snapshot_keeps(vm, api):
    """__snapshot_copy_config: all but the description, the lock and unused disks."""
    found = api.data("GET", f"{VM}/snapshot/two/config")
    assert found["parent"] == "one"
    assert "description" not in found
    assert found.items() <= api.data("GET", f"{VM}/config", snapshot="two").items()
    assert api.data("GET", f"{VM}/snapshot/one/config")["description"] == "with words"
    assert api.data("GET", f"{VM}/config")["parent"] == "two"


def test_rollback_keeps_the_description_and_later_disks(vm, api):
    """__snapshot_apply_config, __snapshot_rollback_get_unused"""
    later = vm.config["scsi1"].split(",")[0]
    assert api.task("POST", f"{VM}/snapshot/one/rollback") == "OK"
    assert (vm.config["description"], vm.config["unused0"], vm.config["parent"]) == ("later", later, "one")
    assert "scsi1" not in vm.config


def test_removing_a_snapshot_moves_its_children_up(vm, api):
    """snapshot_delete"""
    assert api.task("DELETE", f"{VM}/snapshot/one") == "OK"
    assert [one.parent for one in vm.snapshots] == [None]
    assert api.task("DELETE", f"{VM}/snapshot/two") == "OK"
    assert "parent" not in vm.config


def test_disks_in_snapshots_stay_where_they_are(vm, api):
    """move_vm_disk"""
    refused = api.ask("POST", f"{VM}/move_disk", disk="scsi1", **{"target-vmid": 103})
    assert refused.reason == "Can't move disk used by a snapshot to another VM"
    refused = api.ask("POST", f"{VM}/move_disk", disk="scsi1", storage="local", delete=1)
    assert refused.reason == "you can't move a disk with snapshots and delete the source"
    refused = api.ask("PUT", f"{VM}/config", delete="scsi1", force=1)
    volid = vm.config["scsi1"].split(",")[0]
    why = f"unable to delete '{volid}' - volume is still in use (snapshot?)\n"
    assert refused.json()["errors"] == {"scsi1": f"unable to apply pending change scsi1 : {why}"}
    assert vm.pending_delete == ["scsi1"]


def test_clone_of_a_snapshot_has_its_configuration(vm, proxmox, api):
    """clone_vm"""
    assert api.task("POST", f"{VM}/clone", newid=150, snapname="one") == "OK"
    assert "scsi1" not in proxmox.vm(150).config
    assert "parent" not in proxmox.vm(150).config
    assert api.ask("POST", f"{VM}/clone", newid=151, snapname="none").reason == "snapshot 'none' does not exist"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"target-vmid": 999}, "could not find target VM 999"),
        ({"target-vmid": 103, "digest": "x"}, "VM 100: detected modified configuration"),
        (
            {"storage": "local", "digest": "x"},
            "detected modified configuration - file changed by other user? Try again.",
        ),
    ],
)
def test_moves_that_are_refused(vm, api, given, text):
    """assert_if_modified"""
    assert api.ask("POST", f"{VM}/move_disk", disk="scsi1", **given).reason.startswith(text)


def test_a_disk_given_to_another_vm_leaves_the_boot_order(vm, proxmox, api):
    """$disk_reassignfn; the task names both disks."""
    for name in ("two", "one"):
        api.task("DELETE", f"{VM}/snapshot/{name}")
    api.data("PUT", f"{VM}/config", boot="order=scsi1;scsi0")
    upid = api.data("POST", f"{VM}/move_disk", disk="scsi1", **{"target-vmid": 103, "target-disk": "scsi7"})
    assert ":qmmove:100-scsi1>103-scsi7:" in upid
    assert api.wait(upid) == "OK"
    assert vm.config["boot"] == "order=scsi0"
    assert proxmox.vm(103).config["scsi7"].startswith("ceph:vm-103-disk-1,")


def test_a_base_image_stays_while_clones_need_it(proxmox, api):
    """vdisk_free"""
    template = "/nodes/pve1/qemu/9000"
    assert api.task("POST", f"{template}/clone", newid=150) == "OK"
    api.data("PUT", f"{template}/config", delete="scsi0")
    refused = api.ask("PUT", f"{template}/config", delete="unused0")
    assert refused.reason == "base volume 'base-9000-disk-0' is still in use by linked clones"
    assert proxmox.vm(9000).config["unused0"] == "ceph:base-9000-disk-0"
