"""A simulated Proxmox in both versions, over real HTTPS, and a client of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from puq_backups.pve.client import Access, Proxmox
from puq_backups.simulator.simulator import Simulator, start

DIR = {"type": "dir", "active": True, "prune-backups": "keep-all=1"}
RIGHTS = [
    "Datastore.AllocateSpace", "Datastore.Audit", "SDN.Use", "VM.Allocate", "VM.Audit", "VM.Backup", "VM.Clone",
    "VM.Config.CPU", "VM.Config.Cloudinit", "VM.Config.Disk", "VM.Config.Memory", "VM.Config.Network",
    "VM.Config.Options", "VM.PowerMgmt",
]  # fmt: skip
STATE: dict[str, Any] = {
    "nodes": ["pve1", "pve2"],
    "bridges": [{"iface": "vmbr0"}],
    "storages": [
        DIR | {"storage": "local", "path": "/var/lib/vz", "content": ["backup", "images"]},
        DIR | {"storage": "nfs", "path": "/mnt/nfs", "content": ["backup"], "shared": 1, "type": "nfs"},
        DIR | {"storage": "away", "path": "/mnt/away", "content": ["backup"], "active": False, "prune-backups": None},
    ],
    "vms": {
        "100": {
            "node": "pve1",
            "status": "running",
            "config": {
                "name": "web", "cores": 1, "memory": "512", "boot": "order=scsi0", "scsihw": "virtio-scsi-single",
                "smbios1": "uuid=cbcfde9e-5a8e-4305-920d-90169ca15153",
                "net0": "virtio=BC:24:11:00:01:00,bridge=vmbr0,firewall=1",
                "scsi0": "local:100/vm-100-disk-0.raw,iothread=1,size=64M",
            },
        },
        "101": {
            "node": "pve2",
            "status": "stopped",
            "config": {"name": "db", "cores": 1, "memory": "256", "net0": "virtio=BC:24:11:00:01:01,bridge=vmbr0"},
        },
    },
    "volumes": [
        {"volid": "local:100/vm-100-disk-0.raw", "node": "pve1", "vmid": 100, "size": 64 << 20, "used": 8 << 20}
    ],
    "tokens": {
        "panel": {
            "user": "panel@pve", "token": "panel@pve!backups", "secret": "5d0c9a1e-0000-4000-8000-000000000009",
            "privsep": 0, "grants": {"/": {"role": "Panel", "propagate": True, "privileges": RIGHTS}},
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["9.2", "8.4"])
def shared_simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with start(request.param, STATE) as simulator:
        yield simulator


@pytest.fixture
def simulator(shared_simulator: Simulator) -> Iterator[Simulator]:
    shared_simulator.reset()
    yield shared_simulator
    assert shared_simulator.crashes == []


@pytest.fixture
def proxmox(simulator: Simulator) -> Iterator[Proxmox]:
    token_id, secret = simulator.tokens["panel"]
    access = Access(
        hosts=(simulator.host,),
        port=simulator.port,
        token_id=token_id,
        secret=secret,
        fingerprint=simulator.fingerprint,
    )
    proxmox = Proxmox(access)
    yield proxmox
    for line in proxmox._connections.open.values():
        line.session.close()
