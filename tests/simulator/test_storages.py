"""Storages as they are in real life: without limit, disabled, withdrawn, filling up; and a backup server."""

import re

import pytest

from puq_backups.simulator.world.seed import GIB, make_seed

NFS = "/nodes/pve1/storage/nfs"


def test_a_storage_without_limit_reports_sixteen_eib(proxmox, api):
    proxmox.control("storage-config", storage="nfs", total=2**64)
    answer = api.ask("GET", f"{NFS}/status")
    assert '"total":1.84467440737096e+19' in answer.text.replace(" ", "")


def test_free_space_may_be_less_than_total_minus_used(proxmox, api):
    proxmox.control("storage-config", storage="nfs", total=100 * GIB, avail=10 * GIB)
    found = api.data("GET", f"{NFS}/status")
    assert (found["total"], found["avail"]) == (100 * GIB, 10 * GIB)
    assert found["total"] - found["used"] > found["avail"]


def test_a_storage_that_fills_up_while_it_is_written_breaks_the_pipe(proxmox, api):
    proxmox.control("storage-config", storage="nfs", total=4 * GIB, avail=GIB // 2)
    upid = api.backup(101, "pve2", compress="zstd")
    assert api.wait(upid) == "job errors"
    log = api.log(upid)
    full = "zstd: error 70 : Write error : cannot write block : No space left on device "
    broken = "ERROR: vma_queue_write: write error - Broken pipe"
    assert log.index(full) < log.index(broken) < log.index("INFO: aborting backup job")
    assert "ERROR: Backup of VM 101 failed - vma_queue_write: write error - Broken pipe" in log


def test_a_disabled_storage_refuses_content_and_still_answers_for_one_volume(proxmox, api):
    volid = proxmox.volumes("nfs")[0].volid
    proxmox.control("storage-config", storage="nfs", disable=True)
    assert api.ask("GET", f"{NFS}/content").reason == "storage 'nfs' is disabled"
    assert api.data("GET", f"{NFS}/status")["enabled"] == 0
    assert "nfs" not in [one["storage"] for one in api.data("GET", "/nodes/pve1/storage", enabled=1)]
    assert "nfs" not in [one.get("storage") for one in api.data("GET", "/cluster/resources", type="storage")]
    assert api.data("GET", f"{NFS}/content/{volid}")["format"] == "raw"
    assert api.data("PUT", f"{NFS}/content/{volid}", notes="still there") is None
    assert proxmox.volumes("nfs")[0].notes == "still there"
    assert api.task("DELETE", f"{NFS}/content/{volid}") == "storage 'nfs' is disabled"
    refused = api.ask("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert refused.reason == "storage 'nfs' is disabled"
    assert "storage 'nfs' is disabled" in api.wait(api.backup(100, "pve1"))


def test_a_restore_whose_disk_is_on_a_disabled_storage_leaves_one_line(proxmox, api):
    volid = proxmox.volumes("nfs")[0].volid
    image = next(one.volid for one in proxmox.volumes("ceph", "images") if one.vmid == 102)
    proxmox.control("storage-config", storage="ceph", disable=True)
    status = api.task("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert status.endswith("failed: storage 'ceph' is disabled")
    assert proxmox.vm(102).config == {"memory": "128"}
    assert image in [one.volid for one in proxmox.volumes("ceph", "images")], "the old image is still there"


def test_a_storage_that_is_not_for_the_node(proxmox, api):
    proxmox.control("storage-config", storage="nfs", nodes=["pve2"])
    assert api.ask("GET", f"{NFS}/content").reason == "storage 'nfs' is not available on node 'pve1'"
    assert api.data("GET", f"{NFS}/status")["active"] == 0
    assert api.ask("GET", "/nodes/pve2/storage/nfs/content").status_code == 200


def test_a_storage_without_backup_lists_none_and_takes_none(proxmox, api):
    proxmox.control("storage-config", storage="nfs", content=["iso"])
    assert api.data("GET", f"{NFS}/content", content="backup") == []
    assert "wrong content type" in api.wait(api.backup(100, "pve1"))


def test_a_storage_that_is_no_longer_configured(proxmox, api):
    volid = proxmox.volumes("nfs")[0].volid
    proxmox.control("storage-removed", storage="nfs")
    gone = "storage 'nfs' does not exist"
    for method, path in (("GET", "content"), ("GET", f"content/{volid}"), ("DELETE", f"content/{volid}")):
        assert api.ask(method, f"{NFS}/{path}").reason == gone
    assert api.ask("GET", f"{NFS}/status").json()["errors"] == {"storage": "No such storage."}


def test_an_archive_gone_behind_the_api(proxmox, api):
    archive = proxmox.volumes("nfs")[0]
    path = f"{NFS}/content/{archive.volid}"
    api.data("PUT", path, protected=1)
    proxmox.control("archive-gone", volid=archive.volid)
    assert api.data("PUT", path, notes="x") is None
    assert api.ask("GET", path).reason == f"volume_size_info on '{archive.volid}' failed - no format"
    missing = f"volume '{archive.volid}' does not exist"
    assert api.ask("POST", "/nodes/pve2/qemu", vmid=102, archive=archive.volid, force=1).reason == missing
    assert api.ask("GET", "/nodes/pve1/vzdump/extractconfig", volume=archive.volid).reason == missing
    assert api.task("DELETE", path).startswith("cannot remove protected volume"), "its .protected file is still there"
    api.data("PUT", path, protected=0)
    assert api.task("DELETE", path) == "OK"


def test_a_first_and_an_incremental_backup_to_a_backup_server(proxmox, api):
    first = api.backup(101, "pve2", "pbs")
    assert api.wait(first) == "OK"
    assert "INFO: scsi0: dirty-bitmap status: created new" in api.log(first)
    second = api.backup(101, "pve2", "pbs")
    assert api.wait(second) == "OK"
    log = "\n".join(api.log(second))
    assert re.search(r"INFO: scsi0: dirty-bitmap status: OK \(", log)
    assert "INFO: using fast incremental mode (dirty-bitmap)" in log
    assert "INFO: backup was done incrementally, reused 32.00 GiB (100%)" in log or "(99%)" in log
    proxmox.control("vm-power", vmid=101, status="stopped")
    proxmox.control("vm-power", vmid=101, status="running")
    third = api.backup(101, "pve2", "pbs")
    api.wait(third)
    assert "INFO: scsi0: dirty-bitmap status: created new" in api.log(third), "a bitmap lives as long as QEMU"
    for volume in proxmox.volumes("pbs"):
        api.task("DELETE", f"/nodes/pve2/storage/pbs/content/{volume.volid}")
    fourth = api.backup(101, "pve2", "pbs")
    api.wait(fourth)
    assert any("existing bitmap was invalid and has been cleared" in line for line in api.log(fourth))


def test_a_backup_group_of_another_owner(proxmox, api):
    api.wait(api.backup(101, "pve2", "pbs"))
    proxmox.control("owner-mismatch", storage="pbs", vmid=101)
    upid = api.backup(101, "pve2", "pbs")
    assert api.wait(upid) == "job errors"
    assert "backup owner check failed" in "\n".join(api.log(upid))
    assert api.data("GET", "/nodes/pve2/storage/pbs/content", vmid=101) == []


def test_a_backup_server_with_namespace_and_encryption(proxmox, api):
    state = {
        "nodes": ["pve1"],
        "vms": {"100": {"config": {"name": "one", "memory": "512", "scsi0": "local:100/vm-100-disk-0.raw,size=1G"}}},
        "storages": [
            {"storage": "local", "content": ["images"]},
            {"storage": "pbs", "type": "pbs", "namespace": "eu/a", "encryption-key": "aa:bb"},
        ],
        "volumes": [{"volid": "local:100/vm-100-disk-0.raw", "vmid": 100, "size": GIB}],
        "tokens": {"root": make_seed()["tokens"]["root"]},
    }
    proxmox.reset(state=state)
    upid = api.backup(100, "pve1", "pbs", notes_template="one\\ntwo")
    assert api.wait(upid) == "OK"
    assert "INFO: enabling encryption" in api.log(upid)
    (item,) = api.data("GET", "/nodes/pve1/storage/pbs/content")
    assert (item["encrypted"], item["notes"]) == ("aa:bb", "one\ntwo")
    restore = api.data("POST", "/nodes/pve1/qemu", vmid=100, archive=item["volid"], force=1)
    assert api.wait(restore) == "OK"
    assert any(" --ns eu/a vm/100/" in line for line in api.log(restore))
    (told,) = [one for one in api.data("GET", "/storage") if one["storage"] == "pbs"]
    assert (told["namespace"], told["datastore"]) == ("eu/a", "store")


def test_a_snapshot_that_is_gone_from_the_backup_server(proxmox, api):
    api.wait(api.backup(102, "pve2", "pbs"))
    volid = proxmox.volumes("pbs")[0].volid
    proxmox.control("archive-gone", volid=volid)
    path = f"/nodes/pve2/storage/pbs/content/{volid}"
    for answer in (api.ask("GET", path), api.ask("PUT", path, notes="x")):
        assert answer.reason.startswith("proxmox-backup-client failed: Error: unable to load blob")
    assert "for locking - ENOENT" in api.task("DELETE", path)


@pytest.mark.parametrize("name", ["local:iso/x.iso", "local:100/vm-100-disk-0.raw"])
def test_only_archives_are_restored(proxmox, api, name):
    refused = api.ask("POST", "/nodes/pve2/qemu", vmid=102, archive=name, force=1)
    assert refused.reason == f"unable to use volume {name} - content type needs to be 'backup'"


def test_notes_are_kept_where_the_protection_is_refused(proxmox, api):
    """pve-storage `API2/Storage/Content.pm`: one attribute after the other."""
    proxmox.control("storage-config", storage="nfs", **{"max-protected-backups": 0})
    archive = proxmox.volumes("nfs")[0]
    refused = api.ask("PUT", f"{NFS}/content/{archive.volid}", notes="new", protected=1)
    assert refused.reason == "The number of protected backups per guest is limited to 0 on storage 'nfs'"
    assert (archive.notes, archive.protected) == ("new", False)


def test_a_destroyed_vm_leaves_disks_where_no_storage_is(proxmox, api):
    """qemu-server `QemuServer.pm` (destroy_vm): a warning each, and the task says how many."""
    proxmox.control("vm-power", vmid=100, status="stopped")
    disk = proxmox.vm(100).config["scsi0"].split(",")[0]
    proxmox.control("storage-config", storage="local", disable=1)
    upid = api.data("DELETE", "/nodes/pve1/qemu/100")
    assert api.wait(upid) == "WARNINGS: 1"
    assert f"WARN: Could not remove disk '{disk}', check manually: storage 'local' is disabled" in api.log(upid)
    assert 100 not in proxmox.vms
    assert disk in [volume.volid for volume in proxmox.volumes("local", None)]
