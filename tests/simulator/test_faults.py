"""Faults of nodes, tasks, storages, VMs and rights: what the client sees, and what is so afterwards."""

import threading

from support.waiting import PATIENCE


def test_tasks_tell_which_of_them_overlap(proxmox, api):
    proxmox.control("hold-task", type="vzdump", label="long")
    api.backup(100, "pve1")
    api.backup(101, "pve2")
    proxmox.control("release", label="long")
    assert proxmox.idle()
    api.backup(100, "pve1")
    assert proxmox.idle()
    first, second, third = proxmox.tasks("vzdump")
    assert first.order < second.order < first.ended_before
    assert first.ended_before <= third.order


def test_node_offline_gives_595_for_it_and_unknown_in_lists(proxmox, api):
    proxmox.control("node-offline", node="pve3")
    answer = api.ask("GET", "/nodes/pve3/qemu/103/status/current")
    assert (answer.status_code, answer.reason) == (595, "No route to host")
    by_id = {item["id"]: item for item in api.data("GET", "/cluster/resources")}
    assert by_id["qemu/103"]["status"] == "unknown"
    assert by_id["node/pve3"]["status"] == "offline"
    proxmox.control("node-online", node="pve3")
    assert api.data("GET", "/nodes/pve3/qemu/103/status/current")["status"] == "stopped"


def test_node_offline_ends_its_tasks(proxmox, api):
    proxmox.control("slow-backup", vmid=103, seconds=60)
    upid = api.backup(103, "pve3")
    proxmox.control("node-offline", node="pve3")
    assert proxmox.tasks("vzdump")[0].exitstatus == "unexpected status"
    assert proxmox.vm(103).lock == "backup"
    proxmox.control("node-rebooted", node="pve3")
    assert proxmox.vm(103).lock is None, "booting clears left-over backup locks"
    assert api.wait(upid) == "unexpected status"


def test_node_rebooted_leaves_a_create_lock(proxmox):
    proxmox.control("leftover-lock", vmid=103, lock="create")
    proxmox.control("node-rebooted", node="pve3")
    assert proxmox.vm(103).lock == "create"


def test_task_fails_with_a_text_and_without_effect(proxmox, api):
    proxmox.control("task-fails", type="resize", text="got lock timeout")
    assert api.task("PUT", "/nodes/pve1/qemu/100/resize", disk="scsi0", size="20G") == "got lock timeout"
    assert "size=16G" in proxmox.vm(100).config["scsi0"]
    assert api.task("PUT", "/nodes/pve1/qemu/100/resize", disk="scsi0", size="20G") == "OK"


def test_task_warnings_end_a_good_task_with_their_number(proxmox, api):
    proxmox.control("task-warnings", type="vzdump", vmid=100, count=2)
    assert api.wait(api.backup(100, "pve1")) == "WARNINGS: 2"
    assert len(proxmox.volumes("nfs")) == 2


def test_task_unexpected_ends_without_a_last_line(proxmox, api):
    proxmox.control("task-unexpected", type="vzdump")
    upid = api.backup(100, "pve1")
    assert api.wait(upid) == "unexpected status"
    assert not api.log(upid)[-1].startswith("TASK")


def test_task_lost_is_no_such_task(proxmox, api):
    upid = api.backup(100, "pve1")
    proxmox.control("task-lost", upid=upid)
    answer = api.ask("GET", f"/nodes/pve1/tasks/{upid}/status")
    assert answer.json()["errors"] == {"upid": "no such task"}
    assert api.data("GET", "/nodes/pve1/tasks", source="all") == []


def test_storage_offline_on_one_node_only(proxmox, api):
    proxmox.control("storage-offline", storage="nfs", node="pve1")
    assert api.ask("GET", "/nodes/pve1/storage/nfs/content").reason == "storage 'nfs' is not online"
    assert api.ask("GET", "/nodes/pve2/storage/nfs/content").status_code == 200
    assert api.wait(api.backup(100, "pve1")).startswith("could not activate storage 'nfs'")


def test_storage_full_fails_the_backup_and_leaves_no_archive(proxmox, api):
    proxmox.control("storage-full", storage="nfs")
    upid = api.backup(100, "pve1", compress="zstd")
    assert api.wait(upid) == "job errors"
    assert [one.vmid for one in proxmox.volumes("nfs")] == [102]
    assert api.data("GET", "/nodes/pve1/storage/nfs/status")["avail"] == 0


def test_storage_slow_makes_the_proxy_answer_596_and_the_work_goes_on(proxmox, api):
    proxmox.control("storage-slow", storage="nfs", seconds=0.4)
    proxmox.world.proxy_seconds = 0.1
    volid = proxmox.volumes("nfs")[0].volid
    answer = api.ask("PUT", f"/nodes/pve1/storage/nfs/content/{volid}", notes="later")
    assert answer.status_code == 596
    assert proxmox.until(lambda: proxmox.volumes("nfs")[0].notes == "later")


def test_storage_empty_lists_nothing_without_an_error(proxmox, api):
    proxmox.control("storage-empty", storage="nfs")
    assert api.data("GET", "/nodes/pve1/storage/nfs/content") == []


def test_storage_lock_held_fails_a_removal(proxmox, api):
    proxmox.control("storage-lock-held", storage="nfs")
    volid = proxmox.volumes("nfs")[0].volid
    path = f"/nodes/pve1/storage/nfs/content/{volid}"
    assert api.task("DELETE", path) == "cfs-lock 'storage-nfs' error: got lock request timeout"


def test_vmid_reused_is_another_vm_with_the_same_archives(proxmox, api):
    before = dict(proxmox.vm(102).config)
    proxmox.control("vmid-reused", vmid=102)
    after = api.data("GET", "/nodes/pve2/qemu/102/config")
    assert after["smbios1"] != before["smbios1"]
    assert after["net0"] != before["net0"]
    assert len(api.data("GET", "/nodes/pve2/storage/nfs/content", vmid=102)) == 1


def test_vm_destroyed_keeps_its_archives(proxmox, api):
    proxmox.control("vm-destroyed", vmid=102)
    answer = api.ask("GET", "/nodes/pve2/qemu/102/config")
    assert answer.reason == "Configuration file 'nodes/pve2/qemu-server/102.conf' does not exist"
    assert len(proxmox.volumes("nfs")) == 1


def test_token_revoked_is_401_without_a_body(proxmox, caller):
    panel = caller("panel")
    proxmox.control("token-revoked", token="panel")
    answer = panel.ask("GET", "/version")
    assert (answer.status_code, answer.reason, answer.content) == (401, "Authentication failed!", b"")
    proxmox.control("token-restored", token="panel")
    assert panel.ask("GET", "/version").status_code == 200


def test_clock_skew_shows_in_date_and_upid(proxmox, api):
    honest = int(api.backup(100, "pve1").split(":")[4], 16)
    proxmox.control("clock-skew", seconds=-7200)
    skewed = int(api.backup(100, "pve1").split(":")[4], 16)
    assert 7100 < honest - skewed < 7300
    assert abs(api.data("GET", "/nodes/pve1/time")["time"] - skewed) < 60


def test_quorum_lost_lets_reads_through(proxmox, api):
    proxmox.control("quorum", quorate=False)
    assert api.ask("GET", "/nodes/pve1/qemu/100/config").status_code == 200
    volid = proxmox.volumes("nfs")[0].volid
    answer = api.ask("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert answer.reason == "cluster not ready - no quorum?"


def test_three_workers_at_most_wait_at_a_time(proxmox, api, caller):
    proxmox.control("config-lock-held", vmid=100, seconds=60)
    proxmox.world.time_scale = 1
    callers = [caller(name) for name in ("root", "svc", "panel")]
    waiting = [
        threading.Thread(
            target=one.ask, args=("PUT", "/nodes/pve1/qemu/100/config"), kwargs={"description": "x"}, daemon=True
        )
        for one in callers
    ]
    for thread in waiting:
        thread.start()
    assert proxmox.until(lambda: proxmox.world.nodes["pve1"].workers_busy == 3)
    proxmox.world.proxy_seconds = 0.2
    assert api.ask("GET", "/nodes/pve1/storage/nfs/status").status_code == 596
    assert api.ask("GET", "/nodes/pve1/qemu/100/config").status_code == 200, "the proxy answers this one itself"
    proxmox.control("clear", of="config-lock-held", vmid=100)
    for thread in waiting:
        thread.join(PATIENCE)


def test_reset_ends_what_runs_and_forgets_what_was_asked(proxmox, api):
    proxmox.control("slow-backup", vmid=100, seconds=600)
    api.backup(100, "pve1")
    proxmox.reset()
    assert proxmox.tasks() == []
    assert proxmox.requests() == []
    assert proxmox.vm(100).lock is None
    assert api.data("GET", "/nodes/pve1/tasks", source="all") == []


def test_a_lock_held_for_a_while_wears_off_by_the_waiting_of_others(proxmox, api):
    proxmox.control("config-lock-held", vmid=100, seconds=26)
    path = "/nodes/pve1/qemu/100/config"
    busy = [api.ask("PUT", path, description="x").status_code for _ in range(3)]
    assert busy == [500, 500, 200], "two waits of 10 s each do not do, the third one does"
