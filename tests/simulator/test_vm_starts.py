"""Starts that Proxmox or QEMU refuses: the status, and the lines in the task's log."""

import pytest

START = "/nodes/pve2/qemu/102/status/start"
EXITED = "start failed: QEMU exited with code 1"


def start(api):
    upid = api.data("POST", START)
    return api.wait(upid), api.log(upid)[:-1]


def test_more_processors_than_the_node_has_are_refused_before_qemu_starts(proxmox, api):
    proxmox.control("vm-config", vmid=102, set={"cores": 64, "sockets": 2})
    assert start(api) == ("MAX 64 vcpus allowed per VM on this node", [])
    upid = api.backup(102, "pve2")
    assert api.wait(upid) == "job errors"
    assert "ERROR: Backup of VM 102 failed - MAX 64 vcpus allowed per VM on this node" in api.log(upid)
    assert proxmox.vm(102).lock is None


def test_more_vcpus_than_cores_and_sockets_end_qemu(proxmox, api):
    proxmox.control("vm-config", vmid=102, set={"cores": 2, "vcpus": 6})
    status, lines = start(api)
    assert status == EXITED
    assert lines[0].startswith("kvm: Invalid CPU topology: maxcpus must be equal to or greater than smp")
    assert lines[0].endswith("== maxcpus (2) < smp_cpus (6)")


def test_memory_beyond_the_node_ends_qemu(proxmox, api):
    proxmox.control("vm-config", vmid=102, set={"memory": str(512 * 1024)})
    assert start(api) == (EXITED, ["kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory"])


@pytest.mark.parametrize("pve", ["8.4", "9.2"])
def test_a_missing_bridge_is_told_as_each_version_does(proxmox, api, pve):
    proxmox.reset(pve=pve)
    proxmox.control("vm-config", vmid=102, set={"net0": "virtio=BC:24:11:00:00:66,bridge=vmbr9"})
    text = "bridge 'vmbr9' does not exist"
    assert start(api) == ((text, []) if pve == "9.2" else (EXITED, [text]))


def test_a_missing_disk_or_its_storage_is_told_before_qemu_starts(proxmox, api):
    image = next(one for one in proxmox.volumes("ceph", "images") if one.vmid == 102)
    proxmox.control("archive-gone", volid=image.volid)
    assert start(api)[0] == f"volume '{image.volid}' does not exist"
    proxmox.control("undo", of="archive-gone")
    for control, text in (
        ({"control": "storage-config", "disable": True}, "storage 'ceph' is disabled"),
        ({"control": "storage-config", "nodes": ["pve1"]}, "storage 'ceph' is not available on node 'pve2'"),
        ({"control": "storage-removed"}, "storage 'ceph' does not exist"),
    ):
        proxmox.control_step({**control, "storage": "ceph"})
        assert start(api)[0] == text
        proxmox.control("undo", of=control["control"])
    assert start(api)[0] == "OK"


def test_an_image_that_somebody_else_has_open_ends_qemu(proxmox, api):
    image = next(one for one in proxmox.volumes("ceph", "images") if one.vmid == 102)
    proxmox.control("image-locked", volid=image.volid)
    status, lines = start(api)
    assert status == EXITED
    assert lines[0].endswith('Failed to get "write" lock')
    assert lines[1].startswith("Is another process using the image [")


def test_a_restore_with_start_ends_well_though_the_vm_does_not_run(proxmox, api):
    api.wait(api.backup(102, "pve2"))
    volid = proxmox.volumes("nfs")[-1].volid
    upid = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1, start=1, cores=128)
    assert api.wait(upid) == "OK"
    assert "MAX 64 vcpus allowed per VM on this node" in api.log(upid)
    assert not proxmox.vm(102).running


def test_efi_and_tpm_disks_have_their_own_sizes_and_names(proxmox, api):
    given = {"efidisk0": "ceph:1,efitype=4m", "tpmstate0": "ceph:1,version=v2.0"}
    upid = api.data("POST", "/nodes/pve2/qemu/102/config", **given)
    assert api.wait(upid) == "OK"
    config = proxmox.vm(102).config
    assert config["efidisk0"].endswith("efitype=4m,size=528K")
    assert config["tpmstate0"].endswith("size=4M,version=v2.0")
    backup = api.backup(102, "pve2", "pbs")
    assert api.wait(backup) == "OK"
    assert "INFO: attaching TPM drive to QEMU for backup" in api.log(backup)
    volid = proxmox.volumes("pbs")[0].volid
    inside = api.data("GET", "/nodes/pve2/vzdump/extractconfig", volume=volid)
    assert "#qmdump#map:tpmstate0:drive-tpmstate0-backup:ceph:raw:" in inside
    restore = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert api.wait(restore) == "OK"
    assert any("drive-tpmstate0-backup.img.fidx" in line for line in api.log(restore))
