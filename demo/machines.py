"""The third customer's machines, and their archives on the simulated Proxmox.

Imports nothing of puq-backups: demo/run.py would begin seconds later.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DAYS = 30
GIB = 1024**3
NODE = "pve2"
"""The node of all these machines. Its queue does not delay the backups of the other customers."""
HOUR = 2
"""The hour of the daily scheduled backup, UTC."""


@dataclass(frozen=True)
class Machine:
    """A machine of the third customer.

    `held`: the ages in days of the archives that exist. `ends`: the end states of slots that are not done, by age in
    days. `size`: GiB of the newest archive. `tip`: what the page suggests to try.
    """

    name: str
    vmid: int
    package: str
    tip: str
    held: tuple[int, ...] = (0, 1, 2)
    ends: dict[int, str] = field(default_factory=dict)
    kept: bool = False
    size: float = 8.4


MACHINES = (
    Machine("clark-shop", 103, "Large", "Hover over the last 30 days, keep a backup, or change the schedule.",
            held=(0, 1, 2, 3, 4, 5), ends={9: "skipped", 17: "failed", 23: "missed"}),
    Machine("clark-mail", 104, "Medium",
            "The last restore failed. Choose “Retry restore”, or restore another backup.", held=(0, 1), size=21.0),
    Machine("clark-files", 105, "Medium", "The quota is full of kept backups, so the next one will not run. "
            "Choose “Do not keep” at one of them.", held=(1, 6, 12), ends={0: "refused"},
            kept=True, size=14.0),
    Machine("clark-test", 106, "Medium",
            "The last two backups failed. Choose “Backup now” and watch it get protected.",
            held=(2, 3), ends={0: "failed", 1: "failed"}, size=3.2),
    Machine("clark-app-1", 107, "Medium", "A long backup is running. Try to start or stop the server on its page.",
            held=(0, 1)),
    Machine("clark-app-2", 108, "Medium", "Its backup waits for the one of clark-app-1. Stop that one there.",
            held=(0, 1)),
    Machine("clark-app-3", 109, "Medium", "Its backup is second in the queue. Cancel it.", held=(0, 1)),
)  # fmt: skip
QUEUE = ("clark-app-1", "clark-app-2", "clark-app-3")
BROKEN, UNPROTECTED, SLOW = "clark-mail", "clark-test", 107


def started() -> datetime:
    """Return when the demo was started. All its processes use this time, so that archives and rows agree on dates."""
    given = os.environ.get("DEMO_STARTED")
    return datetime.fromisoformat(given) if given else datetime.now(UTC)


def slot(days_ago: int) -> datetime:
    """Return the time of the scheduled backup of `days_ago`; 0 is the newest one that has ended."""
    last = (started() - timedelta(minutes=30)).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    if last > started() - timedelta(minutes=30):
        last -= timedelta(days=1)
    return last - timedelta(days=days_ago)


def volid(machine: Machine, days_ago: int) -> str:
    """Return the volume id of an archive."""
    return f"backup:backup/vzdump-qemu-{machine.vmid}-{slot(days_ago):%Y_%m_%d-%H_%M_04}.vma.zst"


def size(machine: Machine, days_ago: int) -> int:
    """Return the size of an archive in bytes; older ones are a little smaller."""
    return round((machine.size - days_ago * 0.03 + (0.12 if days_ago % 4 else 0)) * GIB)


def proxmox_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the simulated Proxmox with MACHINES and their archives added."""
    vms, volumes = dict(state["vms"]), list(state["volumes"])
    for machine in MACHINES:
        disk = f"vmdata:{machine.vmid}/vm-{machine.vmid}-disk-0.qcow2"
        vms[str(machine.vmid)] = {
            "node": NODE, "status": "stopped" if machine.name == BROKEN else "running", "snapshots": [], "config": {
                "name": machine.name, "ostype": "l26", "cores": 2, "sockets": 1, "memory": "2048",
                "boot": "order=scsi0", "scsihw": "virtio-scsi-single", "scsi0": f"{disk},iothread=1,size=32G",
                "net0": f"virtio=BC:24:11:00:01:{machine.vmid % 100:02d},bridge=vmbr0,rate=125",
                "smbios1": f"uuid=3f1c7b62-8d0e-4c55-9a6b-0f5f1f6c0{machine.vmid}",
            }}  # fmt: skip
        used = round(machine.size * 1.3 * GIB)
        volumes.append({"volid": disk, "vmid": machine.vmid, "content": "images", "format": "qcow2", "node": NODE,
                        "size": 32 * GIB, "used": used, "data": used})  # fmt: skip
        volumes += [
            {"volid": volid(machine, days), "vmid": machine.vmid, "content": "backup", "format": "vma.zst",
             "node": NODE, "size": size(machine, days),
             "ctime": int(slot(days).timestamp()) + 4, "protected": machine.kept}
            for days in machine.held
        ]  # fmt: skip
    cpus = {**state.get("cpus", {}), NODE: 32}
    return {**state, "nodes": [state["node"], NODE], "cpus": cpus, "vms": vms, "volumes": volumes}
