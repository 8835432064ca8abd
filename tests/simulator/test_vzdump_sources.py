"""Backups where the log and the end stand on Proxmox's sources.

pve-manager `PVE/VZDump.pm`, `PVE/API2/VZDump.pm`; qemu-server `VZDump/QemuServer.pm`, `QemuConfig.pm`.
"""

import pytest

from puq_backups.simulator.world import retention
from puq_backups.simulator.world.volumes import Volume

NODE = "/nodes/pve1"


def test_a_paused_vm_stays_paused(proxmox, api):
    """resume_vm_after_job_start; in stop mode `qm shutdown` refuses it."""
    api.task("POST", f"{NODE}/qemu/100/status/suspend")
    assert api.wait(api.backup(100, "pve1")) == "OK"
    assert proxmox.vm(100).qmpstatus == "paused"
    upid = api.backup(100, "pve1", mode="stop")
    assert api.wait(upid) == "job errors"
    assert "INFO: VM is paused - cannot shutdown" in api.log(upid)
    assert proxmox.vm(100).qmpstatus == "paused"


def test_disks_that_no_backup_takes(proxmox, api):
    """get_backup_volumes: cloud-init's drive, and EFI variables of a VM without UEFI."""
    api.task("POST", f"{NODE}/qemu/100/status/stop")
    api.task("POST", f"{NODE}/qemu/100/config", ide2="local:cloudinit", efidisk0="ceph:1,efitype=4m")
    upid = api.backup(100, "pve1")
    assert api.wait(upid) == "OK"
    efi = proxmox.vm(100).config["efidisk0"].split(",")[0]
    assert f"INFO: exclude disk 'efidisk0' '{efi}' (efidisk but no OMVF BIOS)" in api.log(upid)
    assert not [line for line in api.log(upid) if "cloudinit" in line]
    [archive] = [one.volid for one in proxmox.volumes("nfs") if one.vmid == 100][-1:]
    assert api.task("POST", f"{NODE}/qemu", vmid=100, archive=archive, force=1) == "OK"
    config = proxmox.vm(100).config
    assert config["ide2"] == "local:100/vm-100-cloudinit.qcow2,media=cdrom"
    assert config["efidisk0"].startswith(f"{efi},")


def test_disks_on_a_storage_that_is_disabled(proxmox, api):
    """activate_volumes"""
    proxmox.control("storage-config", storage="local", disable=1)
    upid = api.backup(100, "pve1")
    assert api.wait(upid) == "job errors"
    assert "ERROR: Backup of VM 100 failed - storage 'local' is disabled" in api.log(upid)


def test_a_disabled_target_is_named_once(proxmox, api):
    """PVE::VZDump->new: what the storage holds is read from its configuration, not from it."""
    proxmox.control("storage-config", storage="nfs", disable=1)
    assert api.wait(api.backup(100, "pve1")) == "could not activate storage 'nfs': storage 'nfs' is disabled"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"vmid": 100, "exclude": "101"}, {"exclude": "option conflicts with option 'vmid'"}),
        ({"vmid": 100, "pool": "customers"}, {"pool": "option conflicts with option 'vmid'"}),
        ({"notes_template": "{{x}}"}, {"notes-template": "found unknown: variable 'x' at char 4\n"}),
        ({"vmid": 100, "stdout": 1}, {"stdout": "option is only allowed on the command line interface."}),
        (
            {"vmid": 100, "node": "pve2"},
            {"node": "duplicate parameter (already defined in URI) with conflicting values!"},
        ),
    ],
)
def test_refused_at_once(api, given, error):
    """verify_vzdump_parameters, PVE::HTTPServer"""
    answer = api.ask("POST", f"{NODE}/vzdump", storage="nfs", **given)
    assert (answer.status_code, answer.json()["errors"]) == (400, error)


def test_all_vms_of_a_node_and_of_a_pool(proxmox, caller, api):
    """get_included_guests; with `all` those that the caller may not back up are left out."""
    here = [vmid for vmid, vm in proxmox.vms.items() if vm.node == "pve1"]
    proxmox.control("acl", path=f"/vms/{here[0]}", user="panel@pve!puq", role="NoAccess")
    upid = caller("panel").data("POST", f"{NODE}/vzdump", all=1, storage="nfs", exclude=str(here[-1]))
    assert api.wait(upid) == "OK"
    told = [line for line in api.log(upid) if line.startswith("INFO: Starting Backup")]
    assert told == [f"INFO: Starting Backup of VM {vmid} (qemu)" for vmid in here[1:-1]]
    assert api.ask("POST", f"{NODE}/vzdump", pool="nope", storage="nfs").reason == "pool 'nope' does not exist"


def test_stop_ends_the_backup_that_runs(proxmox, api):
    """stop_running_backups"""
    proxmox.control("slow-backup", vmid=100, seconds=600)
    upid = api.backup(100, "pve1")
    proxmox.until(lambda: proxmox.vm(100).lock)
    assert api.data("POST", f"{NODE}/vzdump", stop=1) == "OK"
    assert api.wait(upid) == "interrupted by signal"


def test_defaults_of_the_node_without_a_storage_are_those_of_local(caller, proxmox, api):
    """API2/VZDump.pm (defaults): what backup users need not know is left out for who may not audit the node."""
    found = api.data("GET", f"{NODE}/vzdump/defaults")
    assert (found["storage"], found["dumpdir"], found["ionice"]) == ("local", "/var/lib/vz/dump", 7)
    proxmox.control("acl", path="/nodes/pve1", user="panel@pve!puq", role="NoAccess")
    assert not {"dumpdir", "ionice"} & set(caller("panel").data("GET", f"{NODE}/vzdump/defaults", storage="nfs"))
    refused = api.ask("GET", f"{NODE}/vzdump/defaults", storage="ceph")
    assert refused.reason == "can't use storage 'ceph' for backups - wrong content type"


def test_two_backups_of_a_week_are_not_kept_for_two_months():
    """pve-storage `Storage.pm` ($prune_mark): the older one of a week goes, though its month has no other yet."""
    moments = [1_769_774_400 + day * 86_400 for day in (-9, 0, 2)]  # 2026-01-21, 2026-01-30, 2026-02-01: Sunday
    volumes = [
        Volume("nfs", f"backup/vzdump-qemu-100-2026_01_0{number}-00_00_00.vma", "backup", "vma", 1, at, 100)
        for number, at in enumerate(moments, 1)
    ]
    marks = [mark for _volume, mark in retention.mark(volumes, retention.parse("keep-weekly=1,keep-monthly=2"))]
    assert marks == ["keep", "remove", "keep"]


def test_a_vm_stopped_for_its_backup_that_does_not_start(proxmox, api):
    """exec_backup_task ($cleanup->{restart}), resume_vm_after_job_start: the last error is that it does not run."""
    proxmox.control("start-fail", vmid=100, text="kvm: no")
    upid = api.backup(100, "pve1", mode="stop")
    assert api.wait(upid) == "job errors"
    log = api.log(upid)
    assert "ERROR: start failed: QEMU exited with code 1" in log
    assert "ERROR: Backup of VM 100 failed - VM 100 not running" in log
    assert log.index("INFO: restarting vm") < log.index("ERROR: Backup of VM 100 failed - VM 100 not running")
    assert not proxmox.vm(100).running
