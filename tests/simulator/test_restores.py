"""Restores on a cluster: what survives, and what a failure half-way leaves."""


def test_restore_that_loses_its_storage_half_way_leaves_memory_128(proxmox, api):
    api.wait(api.backup(102, "pve2"))
    volid = proxmox.volumes("nfs")[-1].volid
    proxmox.control("slow-restore", vmid=102, seconds=20)
    upid = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert proxmox.vm(102).config == {"memory": "128"}
    busy = api.ask("PUT", "/nodes/pve2/qemu/102/config", description="x")
    assert busy.reason == "can't lock file '/var/lock/qemu-server/lock-102.conf' - got timeout"
    proxmox.control("storage-offline", storage="nfs")
    assert api.wait(upid).endswith("failed: Input/output error")
    assert proxmox.vm(102).config == {"memory": "128"}
    assert proxmox.vm(102).lock is None
    assert [one for one in proxmox.volumes("ceph", "images") if one.vmid == 102] == []


def test_restore_from_pbs_carries_the_create_lock_to_its_end(proxmox, api):
    api.wait(api.backup(102, "pve2", "pbs"))
    volid = proxmox.volumes("pbs")[0].volid
    proxmox.control("slow-restore", vmid=102, seconds=20)
    upid = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert proxmox.vm(102).config == {"memory": "128", "lock": "create"}
    proxmox.control("worker-killed", upid=upid)
    assert proxmox.vm(102).lock == "create"
    assert api.ask("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1).reason.endswith("locked (create)")


def test_restore_from_pbs_gives_the_vm_back(proxmox, api):
    before = api.data("GET", "/nodes/pve2/qemu/102/config")
    api.wait(api.backup(102, "pve2", "pbs"))
    volid = proxmox.volumes("pbs")[0].volid
    upid = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert api.wait(upid) == "OK"
    assert any(line.startswith("progress 50% (read ") for line in api.log(upid))
    after = api.data("GET", "/nodes/pve2/qemu/102/config")
    changed = {key for key in {*before, *after} if before.get(key) != after.get(key)}
    assert changed <= {"vmgenid", "digest", "scsi0"}


def test_restore_of_a_disk_left_out_of_the_backup_keeps_it_as_unused(proxmox, api):
    path = "/nodes/pve2/qemu/102"
    api.task("POST", f"{path}/config", scsi1="ceph:1,backup=0")
    kept = proxmox.vm(102).config["scsi1"].split(",")[0]
    api.wait(api.backup(102, "pve2"))
    volid = proxmox.volumes("nfs")[-1].volid
    assert api.task("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1) == "OK"
    config = api.data("GET", f"{path}/config")
    assert config["unused0"] == kept
    assert "scsi1" not in config
    assert config["description"].startswith("scsi1: ceph:")


def test_restore_into_a_missing_vm_needs_vm_allocate(proxmox, caller):
    volid = proxmox.volumes("nfs")[0].volid
    proxmox.control("vm-destroyed", vmid=102)
    answer = caller("panel").ask("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert (answer.status_code, answer.reason) == (403, "Permission check failed")


def test_restore_deletes_snapshots_without_a_word(proxmox, api):
    proxmox.control("snapshot-taken", vmid=102)
    volid = proxmox.volumes("nfs")[0].volid
    upid = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert api.wait(upid) == "OK"
    assert proxmox.vm(102).snapshots == []


def test_restore_on_a_full_storage_fails_after_the_old_disk_is_gone(proxmox, api):
    volid = proxmox.volumes("nfs")[0].volid
    proxmox.control("storage-full", storage="ceph")
    assert "No space left" in api.task("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1)
    assert proxmox.vm(102).config == {"memory": "128"}


def test_start_after_a_restore_that_fails_is_only_told(proxmox, api):
    volid = proxmox.volumes("nfs")[0].volid
    proxmox.control("start-fail", vmid=102, text="kvm: no memory")
    upid = api.data("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1, start=1)
    assert api.wait(upid) == "OK"
    assert "start failed: QEMU exited with code 1" in api.log(upid)


def test_firewall_rules_come_back_with_a_restore_and_are_lost_with_the_vm(proxmox, api):
    path = "/nodes/pve2/qemu/102/firewall"
    api.data("PUT", f"{path}/options", enable=1, policy_in="DROP")
    api.data("POST", f"{path}/rules", type="in", action="ACCEPT", proto="tcp", dport="22")
    api.wait(api.backup(102, "pve2"))
    volid = proxmox.volumes("nfs")[-1].volid
    proxmox.control("vm-destroyed", vmid=102)
    assert api.task("POST", "/nodes/pve2/qemu", vmid=102, archive=volid, force=1) == "OK"
    assert api.data("GET", f"{path}/options")["policy_in"] == "DROP"
    (rule,) = api.data("GET", f"{path}/rules")
    assert (rule["pos"], rule["action"], rule["dport"]) == (0, "ACCEPT", "22")
