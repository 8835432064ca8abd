"""Backups where several nodes, storages and PBS matter, which the recordings cannot show."""

import re

import pytest


def test_vzdump_of_a_vm_elsewhere_says_ok_and_does_nothing(proxmox, api):
    assert api.backup(101, "pve1") == "OK"
    assert proxmox.tasks("vzdump") == []


def test_vzdump_of_some_vms_elsewhere_skips_them(proxmox, api):
    upid = api.backup("100,101", "pve1")
    assert api.wait(upid) == "OK"
    assert "INFO: skip external VMs: 101" in api.log(upid)
    assert [one.vmid for one in proxmox.volumes("nfs")] == [102, 100]


def test_vzdump_waits_for_the_lock_of_its_node_only(proxmox, api):
    proxmox.control("hold-task", type="vzdump", vmid=101)
    held = api.backup(101, "pve2")
    assert api.wait(api.backup(103, "pve3")) == "OK"
    assert api.data("GET", f"/nodes/pve2/tasks/{held}/status")["status"] == "running"
    proxmox.control("release")
    assert api.wait(held) == "OK"


def test_vzdump_waits_while_somebody_elses_backup_runs(proxmox, api):
    proxmox.control("vzdump-lock-held", node="pve1")
    upid = api.backup(100, "pve1")
    assert api.log(upid) == ["INFO: trying to get global lock - waiting..."]
    assert proxmox.vm(100).lock is None
    proxmox.control("vzdump-lock-released", node="pve1")
    assert api.wait(upid) == "OK"
    assert "INFO: got global lock" in api.log(upid)


def test_vzdump_cancelled_while_it_waits_ends_as_unexpected_status(proxmox, api):
    proxmox.control("vzdump-lock-held", node="pve1")
    upid = api.backup(100, "pve1")
    assert api.data("DELETE", f"/nodes/pve1/tasks/{upid}") is None
    assert api.wait(upid) == "unexpected status"
    assert api.log(upid)[-1].endswith("interrupted by signal")


def test_vzdump_holds_the_vm_locked_and_prelaunch_while_it_copies(proxmox, api):
    proxmox.control("slow-backup", vmid=102, seconds=30)
    upid = api.backup(102, "pve2")
    status = api.data("GET", "/nodes/pve2/qemu/102/status/current")
    assert (status["status"], status["qmpstatus"], status["lock"]) == ("running", "prelaunch", "backup")
    assert api.task("POST", "/nodes/pve2/qemu/102/status/start") == "OK"
    assert api.data("DELETE", f"/nodes/pve2/tasks/{upid}") is None
    assert api.wait(upid) == "interrupted by signal"
    assert proxmox.vm(102).running, "a VM that was started meanwhile stays on"
    assert proxmox.vm(102).lock is None


def test_vzdump_to_pbs_names_snapshots_in_utc_and_counts_logical_sizes(proxmox, api):
    upid = api.backup(101, "pve2", "pbs")
    assert api.wait(upid) == "OK"
    (item,) = api.data("GET", "/nodes/pve3/storage/pbs/content", content="backup", vmid=101)
    assert re.fullmatch(r"pbs:backup/vm/101/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", item["volid"])
    assert item["size"] > 32 * 1024**3
    assert f"INFO: creating Proxmox Backup Server archive '{item['volid'][11:]}'" in api.log(upid)


def test_removal_from_pbs_frees_nothing_before_garbage_collection(proxmox, api):
    api.wait(api.backup(101, "pve2", "pbs"))
    (volume,) = proxmox.volumes("pbs")
    before = api.data("GET", "/nodes/pve1/storage/pbs/status")["used"]
    assert api.task("DELETE", f"/nodes/pve1/storage/pbs/content/{volume.volid}") == "OK"
    assert api.data("GET", "/nodes/pve1/storage/pbs/status")["used"] == before
    proxmox.control("garbage-collected", storage="pbs")
    assert api.data("GET", "/nodes/pve1/storage/pbs/status")["used"] == 0


def test_verification_is_listed(proxmox, api):
    api.wait(api.backup(101, "pve2", "pbs"))
    proxmox.control("verification", volid=proxmox.volumes("pbs")[0].volid, state="failed")
    (item,) = api.data("GET", "/nodes/pve1/storage/pbs/content")
    assert item["verification"]["state"] == "failed"


def test_local_storage_keeps_archives_on_the_node_that_made_them(proxmox, api):
    assert api.wait(api.backup(100, "pve1", "local")) == "OK"
    (volume,) = proxmox.volumes("local")
    proxmox.control("migrate", vmid=100, node="pve3")
    assert api.data("GET", "/nodes/pve3/storage/local/content", content="backup") == []
    assert len(api.data("GET", "/nodes/pve1/storage/local/content", content="backup")) == 1
    restore = api.ask("POST", "/nodes/pve3/qemu", vmid=100, archive=volume.volid, force=1)
    assert restore.reason == f"volume '{volume.volid}' does not exist"


def test_two_backups_in_one_second_get_two_names(proxmox, api):
    for _ in range(3):
        assert api.wait(api.backup(100, "pve1")) == "OK"
    assert len({one.volid for one in proxmox.volumes("nfs") if one.vmid == 100}) == 3


def test_protected_backups_are_limited_to_five_for_lesser_users(proxmox, caller):
    panel = caller("panel")
    for _ in range(5):
        assert panel.wait(panel.backup(100, "pve1", protected=1)) == "OK"
    upid = panel.backup(100, "pve1", protected=1)
    assert panel.wait(upid) == "job errors"
    assert "limited to 5 on storage 'nfs'" in "\n".join(panel.log(upid))


def test_backup_of_a_vm_whose_left_over_job_still_runs_warns(proxmox, api):
    proxmox.control("slow-backup", vmid=100, seconds=60)
    upid = api.backup(100, "pve1")
    proxmox.control("worker-killed", upid=upid)
    assert api.wait(upid) == "unexpected status"
    proxmox.control("clear", of="slow-backup", vmid=100)
    proxmox.control("operator-unlock", vmid=100)
    assert api.wait(api.backup(100, "pve1")) == "WARNINGS: 1"


@pytest.mark.parametrize("mode", ["stop", "suspend", "snapshot"])
def test_a_running_vm_runs_again_after_each_mode(proxmox, api, mode):
    upid = api.backup(100, "pve1", mode=mode)
    assert api.wait(upid) == "OK"
    assert f"INFO: backup mode: {mode}" in api.log(upid)
    assert proxmox.vm(100).qmpstatus == "running"


def test_stop_mode_is_refused_for_a_vm_under_ha(proxmox, api):
    proxmox.control("ha", vmid=100, state="started")
    upid = api.backup(100, "pve1", mode="stop")
    assert api.wait(upid) == "job errors"
    assert "Cannot execute a backup with stop mode on a HA managed" in "\n".join(api.log(upid))


def test_prune_behind_leaves_the_newest_and_the_protected(proxmox, api):
    for protected in (1, 0, 0):
        api.wait(api.backup(100, "pve1", protected=protected))
    first, _second, third = [one for one in proxmox.volumes("nfs") if one.vmid == 100]
    proxmox.control("prune-behind", storage="nfs", vmid=100, keep=1)
    assert [one.volid for one in proxmox.volumes("nfs") if one.vmid == 100] == [first.volid, third.volid]


def test_retention_by_day_keeps_the_newest_of_each_day(proxmox, api):
    for _ in range(2):
        api.wait(api.backup(102, "pve2"))
    marks = api.data("GET", "/nodes/pve2/storage/nfs/prunebackups", vmid=102, prune_backups="keep-daily=2")
    assert [item["mark"] for item in marks] == ["keep", "remove", "keep"]


def test_nodes_in_different_zones_read_different_times_from_a_name(proxmox, api):
    proxmox.control("clock-zone", node="pve1", seconds=7200)
    assert api.wait(api.backup(100, "pve1")) == "OK"
    listed = {node: api.data("GET", f"/nodes/{node}/storage/nfs/content", vmid=100)[0] for node in ("pve1", "pve2")}
    assert listed["pve2"]["volid"] == listed["pve1"]["volid"]
    assert listed["pve2"]["ctime"] - listed["pve1"]["ctime"] == 7200


def test_cluster_resources_lag_behind_by_up_to_ten_seconds(proxmox, api):
    proxmox.world.time_scale = 1
    (before,) = [one for one in api.data("GET", "/cluster/resources", type="vm") if one["vmid"] == 100]
    proxmox.control("vm-power", vmid=100, status="stopped")
    proxmox.control("migrate", vmid=100, node="pve2")
    (after,) = [one for one in api.data("GET", "/cluster/resources", type="vm") if one["vmid"] == 100]
    assert (before["status"], after["status"]) == ("running", "running")
    assert (before["node"], after["node"]) == ("pve1", "pve2"), "the node is always right"


def test_task_logs_rotate_away(proxmox, api):
    proxmox.world.tasks_kept = 2
    upids = [api.backup(100, "pve1") for _ in range(4)]
    assert api.ask("GET", f"/nodes/pve1/tasks/{upids[0]}/status").json()["errors"] == {"upid": "no such task"}
    assert api.wait(upids[3]) == "OK"


def test_backup_of_a_vm_whose_configuration_is_held_fails_with_the_lock(proxmox, api):
    proxmox.control("config-lock-held", vmid=100)
    upid = api.backup(100, "pve1")
    assert api.wait(upid) == "job errors"
    assert "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout" in "\n".join(api.log(upid))
    assert proxmox.vm(100).lock is None
