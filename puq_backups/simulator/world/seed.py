"""The state that the simulator starts from when none is given: a small cluster worth looking at."""

from __future__ import annotations

import time
from typing import Any

GIB = 1024**3
DAY = 86_400
PANEL = [
    "Datastore.AllocateSpace",
    "Datastore.Audit",
    "SDN.Use",
    "Sys.Audit",
    "VM.Audit",
    "VM.Backup",
    "VM.Config.CDROM",
    "VM.Config.CPU",
    "VM.Config.Cloudinit",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.PowerMgmt",
]
REINSTALL = [*PANEL, "VM.Allocate", "VM.Clone", "Datastore.Allocate"]


def _vm(vmid: int, name: str, storage: str, gib: int, **more: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "name": name,
        "memory": "2048",
        "cores": 2,
        "sockets": 1,
        "ostype": "l26",
        "scsihw": "virtio-scsi-single",
        "boot": "order=scsi0",
        "smbios1": f"uuid=6b1f3a00-0000-4000-8000-{vmid:012d}",
        "vmgenid": f"6b1f3a00-0000-4000-9000-{vmid:012d}",
        "net0": f"virtio=BC:24:11:00:{vmid // 256:02X}:{vmid % 256:02X},bridge=vmbr0,rate=12.5",
        "scsi0": f"{storage}:{_image(storage, vmid, 0)},iothread=1,size={gib}G",
    }
    return {"status": more.pop("status", "running"), "snapshots": [], "config": config, **more}


def _image(storage: str, vmid: int, number: int) -> str:
    base = f"vm-{vmid}-disk-{number}"
    return f"{vmid}/{base}.raw" if storage == "local" else base


def _disk(storage: str, vmid: int, gib: int, **more: Any) -> dict[str, Any]:
    volid = f"{storage}:{_image(storage, vmid, 0)}"
    data = gib * GIB // 4
    return {"volid": volid, "vmid": vmid, "size": gib * GIB, "used": data, "data": data, **more}


def _archive(storage: str, vmid: int, ctime: int, size: int, notes: str = "", **more: Any) -> dict[str, Any]:
    at = time.gmtime(ctime)
    if storage == "pbs":
        name = f"backup/vm/{vmid}/{time.strftime('%Y-%m-%dT%H:%M:%SZ', at)}"
    else:
        name = f"backup/vzdump-qemu-{vmid}-{time.strftime('%Y_%m_%d-%H_%M_%S', at)}.vma.zst"
    found = {"volid": f"{storage}:{name}", "vmid": vmid, "size": size, "ctime": ctime, **more}
    return found | ({"notes": notes} if notes else {})


def _template() -> dict[str, Any]:
    found = _vm(9000, "debian-template", "ceph", 4, status="stopped")
    config = found["config"]
    config["template"] = 1
    config["scsi0"] = "ceph:base-9000-disk-0,iothread=1,size=4G"
    config["ide2"] = "ceph:vm-9000-cloudinit,media=cdrom"
    return found


def _token(user: str, name: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "user": user,
        "token": f"{user}!{name}",
        "secret": f"5d0c9a1e-0000-4000-8000-{number:012d}",
        "privsep": 0,
        **more,
    }


def make_seed(now: float | None = None) -> dict[str, Any]:
    """Three nodes; NFS, PBS and Ceph shared, a local storage on each; four VMs and a template. `now` in seconds."""
    old = int(time.time() if now is None else now) - 400 * DAY - 3600
    return {
        "nodes": ["pve1", "pve2", "pve3"],
        "work": {
            "backup_seconds": 8,
            "backup_mib_per_second": 1600,
            "restore_seconds": 8,
            "restore_mib_per_second": 1600,
            "start": 1,
            "shutdown": 3,
            "clone": 4,
        },
        "vms": {
            "100": _vm(100, "web100", "local", 16, node="pve1"),
            "101": _vm(101, "db101", "ceph", 32, node="pve2"),
            "102": _vm(102, "spare102", "ceph", 8, node="pve2", status="stopped"),
            "103": _vm(103, "mail103", "ceph", 20, node="pve3"),
            "9000": {**_template(), "node": "pve1"},
        },
        "storages": [
            {"storage": "local", "type": "dir", "content": ["backup", "images", "iso", "snippets"]},
            {"storage": "nfs", "type": "nfs", "content": ["backup"], "prune-backups": "keep-all=1"},
            {"storage": "nfs-keep2", "type": "nfs", "content": ["backup"], "prune-backups": "keep-last=2"},
            {"storage": "pbs", "type": "pbs", "content": ["backup"], "total": 4096 * GIB},
            {"storage": "ceph", "type": "rbd", "content": ["images", "rootdir"]},
            {"storage": "tiny", "type": "dir", "path": "/mnt/tiny", "content": ["backup"], "total": 6 * 1024**2},
            {
                "storage": "offline",
                "type": "dir",
                "path": "/mnt/offline",
                "content": ["backup"],
                "is_mountpoint": True,
                "active": False,
            },
        ],
        "volumes": [
            _disk("local", 100, 16, node="pve1"),
            _disk("ceph", 101, 32),
            _disk("ceph", 102, 8),
            _disk("ceph", 103, 20),
            {"volid": "ceph:base-9000-disk-0", "vmid": 9000, "size": 4 * GIB, "data": GIB},
            {"volid": "ceph:vm-9000-cloudinit", "vmid": 9000, "size": 4 * 1024**2, "data": 0},
            _archive("nfs", 102, old, 3 * GIB, "an earlier customer's"),
        ],
        "pools": {"customers": {"members": [100, 101]}},
        "bridges": [{"iface": "vmbr0"}, {"iface": "vmbr1"}],
        "roles": {"Panel": PANEL, "PanelReinstall": REINSTALL},
        "tokens": {
            "root": _token("root@pam", "test", 1),
            "panel": _token("panel@pve", "puq", 2, privsep=1),
            "reinstall": _token("panel@pve", "reinstall", 3, privsep=1),
            "svc": _token("svc@pve", "tok", 4),
            "low": _token("low@pve", "tok", 5),
        },
        "acl": [
            {"path": "/", "type": "user", "ugid": "panel@pve", "roleid": "PanelReinstall", "propagate": 1},
            {"path": "/", "type": "token", "ugid": "panel@pve!puq", "roleid": "Panel", "propagate": 1},
            {
                "path": "/",
                "type": "token",
                "ugid": "panel@pve!reinstall",
                "roleid": "PanelReinstall",
                "propagate": 1,
            },
            {"path": "/", "type": "user", "ugid": "svc@pve", "roleid": "PanelReinstall", "propagate": 1},
            {"path": "/vms/100", "type": "user", "ugid": "low@pve", "roleid": "PVEVMUser", "propagate": 1},
            {
                "path": "/storage/nfs",
                "type": "user",
                "ugid": "low@pve",
                "roleid": "PVEDatastoreUser",
                "propagate": 1,
            },
        ],
    }
