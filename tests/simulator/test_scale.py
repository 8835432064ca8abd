"""A large cluster is there in seconds."""

import time

import pytest

from puq_backups import simulator

GIB = 1024**3
VMIDS = range(100, 10_100)
DAYS = range(1, 11)


def large():
    vms = {
        str(vmid): {
            "status": "running",
            "node": f"pve{vmid % 3 + 1}",
            "config": {"name": f"vm{vmid}", "memory": "2048", "scsi0": f"ceph:vm-{vmid}-disk-0,size=32G"},
        }
        for vmid in VMIDS
    }
    disks = [{"volid": f"ceph:vm-{vmid}-disk-0", "vmid": vmid, "size": 32 * GIB} for vmid in VMIDS]
    archives = [
        {"volid": f"nfs:backup/vzdump-qemu-{vmid}-2026_01_{day:02d}-03_00_00.vma.zst", "vmid": vmid, "size": 3 * GIB}
        for vmid in VMIDS
        for day in DAYS
    ]
    storages = [
        {"storage": "ceph", "type": "rbd", "content": ["images"]},
        {"storage": "nfs", "type": "nfs", "content": ["backup"]},
    ]
    root = {"user": "root@pam", "token": "root@pam!t", "secret": "s"}
    return {
        "nodes": ["pve1", "pve2", "pve3"],
        "vms": vms,
        "volumes": disks + archives,
        "storages": storages,
        "tokens": {"root": root},
    }


@pytest.mark.slow
def test_ten_thousand_vms_with_a_hundred_thousand_archives_start_in_three_seconds():
    state = large()
    began = time.process_time()
    with simulator.start(state=state, https=False) as proxmox:
        assert time.process_time() - began < 3
        assert len(proxmox.vms) == 10_000
        assert len(proxmox.volumes("nfs")) == 100_000
