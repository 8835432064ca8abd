"""A month of history for the demo's third customer: archives on the simulated Proxmox, and rows that tell of them.

Only a demo writes the tables of puq-backups by itself. Each machine of STORIES shows one thing to try.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from puq_backups.errors import Message
from puq_backups.models import Backup, Operation, Service
from puq_backups.rules.run_decision import ALL_KEPT, TODAYS

DAYS = 30
GIB = 1024**3
NODE = "pve2"
"""All machines here are on a node of their own: a queue there does not hold up the other customers."""
HOUR = 2
"""Of each day's scheduled backup, UTC."""


@dataclass(frozen=True)
class Story:
    """One machine. `held`: days ago of the archives that exist; `ends`: how slots ended otherwise, by days ago."""

    name: str
    vmid: int
    package: str
    tip: str
    held: tuple[int, ...] = (0, 1, 2)
    ends: dict[int, str] = field(default_factory=dict)
    kept: bool = False
    size: float = 8.4


STORIES = (
    Story("clark-shop", 103, "Large", "Hover over the last 30 days, keep a backup, or change the schedule.",
          held=(0, 1, 2, 3, 4, 5), ends={9: "skipped", 17: "failed", 23: "missed"}),
    Story("clark-mail", 104, "Medium", "The last restore failed. Choose “Retry restore”, or restore another backup.",
          held=(0, 1), size=21.0),
    Story("clark-files", 105, "Medium", "The quota is full of kept backups, so the next one will not run. "
          "Choose “Do not keep” at one of them.", held=(1, 6, 12), ends={0: "refused"},
          kept=True, size=14.0),
    Story("clark-test", 106, "Medium", "The last two backups failed. Choose “Backup now” and watch it get protected.",
          held=(2, 3), ends={0: "failed", 1: "failed"}, size=3.2),
    Story("clark-app-1", 107, "Medium", "A long backup is running. Try to start or stop the server on its page.",
          held=(0, 1)),
    Story("clark-app-2", 108, "Medium", "Its backup waits for the one of clark-app-1. Stop that one there.",
          held=(0, 1)),
    Story("clark-app-3", 109, "Medium", "Its backup is second in the queue. Cancel it.", held=(0, 1)),
)  # fmt: skip
QUEUE = ("clark-app-1", "clark-app-2", "clark-app-3")
BROKEN, UNPROTECTED, SLOW = "clark-mail", "clark-test", 107
REASONS = {
    "failed": Message("The storage {storage} is offline.", storage="backup"),
    "refused": Message(ALL_KEPT, limit=3),
    "skipped": TODAYS,
}


def started() -> datetime:
    """Return when the demo was started: the simulated Proxmox and the rows must agree on the dates."""
    given = os.environ.get("DEMO_STARTED")
    return datetime.fromisoformat(given) if given else datetime.now(UTC)


def slot(days_ago: int) -> datetime:
    """Return the time of the scheduled backup some days ago; 0 is the last one that is over."""
    last = (started() - timedelta(minutes=30)).replace(hour=HOUR, minute=0, second=0, microsecond=0)
    if last > started() - timedelta(minutes=30):
        last -= timedelta(days=1)
    return last - timedelta(days=days_ago)


def volid(story: Story, days_ago: int) -> str:
    """Return the volume id of an archive."""
    return f"backup:backup/vzdump-qemu-{story.vmid}-{slot(days_ago):%Y_%m_%d-%H_%M_04}.vma.zst"


def size(story: Story, days_ago: int) -> int:
    """Return bytes of an archive: a little less the older it is."""
    return round((story.size - days_ago * 0.03 + (0.12 if days_ago % 4 else 0)) * GIB)


def proxmox_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of the simulated Proxmox with the machines of STORIES and their archives added."""
    vms, volumes = dict(state["vms"]), list(state["volumes"])
    for story in STORIES:
        disk = f"vmdata:{story.vmid}/vm-{story.vmid}-disk-0.qcow2"
        vms[str(story.vmid)] = {
            "node": NODE, "status": "stopped" if story.name == BROKEN else "running", "snapshots": [], "config": {
                "name": story.name, "ostype": "l26", "cores": 2, "sockets": 1, "memory": "2048",
                "boot": "order=scsi0", "scsihw": "virtio-scsi-single", "scsi0": f"{disk},iothread=1,size=32G",
                "net0": f"virtio=BC:24:11:00:01:{story.vmid % 100:02d},bridge=vmbr0,rate=125",
                "smbios1": f"uuid=3f1c7b62-8d0e-4c55-9a6b-0f5f1f6c0{story.vmid}",
            }}  # fmt: skip
        used = round(story.size * 1.3 * GIB)
        volumes.append({"volid": disk, "vmid": story.vmid, "content": "images", "format": "qcow2", "node": NODE,
                        "size": 32 * GIB, "used": used, "data": used})  # fmt: skip
        volumes += [
            {"volid": volid(story, days), "vmid": story.vmid, "content": "backup", "format": "vma.zst", "node": NODE,
             "size": size(story, days), "ctime": int(slot(days).timestamp()) + 4, "protected": story.kept}
            for days in story.held
        ]  # fmt: skip
    cpus = {**state.get("cpus", {}), NODE: 32}
    return {**state, "nodes": [state["node"], NODE], "cpus": cpus, "vms": vms, "volumes": volumes}


def write(session: Session, story: Story, service: Service) -> None:
    """Write the last DAYS slots of a service, and for BROKEN the restore that failed."""
    for days in range(DAYS):
        for row in _slot_rows(story, service, days):
            session.add(row)
    session.flush()
    if story.name == BROKEN:
        _break(session, story, service)
    if story.name == UNPROTECTED:
        service.unprotected_told_at = started()


def _slot_rows(story: Story, service: Service, days: int) -> Iterator[Operation | Backup]:
    at, state = slot(days), story.ends.get(days, "done")
    operation = _operation(service, "backup", state, at, origin="scheduled", slot_date=at.date().isoformat())
    if state == "done":
        backup = Backup.of(
            service, operation_id=operation.id, volid=volid(story, days), storage="backup", node=NODE,
            kind="scheduled", slot_date=operation.slot_date, local_date=at.date().isoformat(), created_at=at,
            seen_at=started(), size=size(story, days), disks=1, kept=story.kept and days in story.held,
            removed_at=None if days in story.held else at + timedelta(days=len(story.held)),
        )  # fmt: skip
        backup.id = f"demo{story.vmid}{days:02d}"
        operation.backup_id = backup.id
        yield backup
    yield operation


def _operation(service: Service, kind: str, state: str, at: datetime, **more: Any) -> Operation:
    """Return an operation that ended four minutes after a time."""
    found = Operation.new(
        service, kind, actor="system", storage="backup", created_at=at, due_at=at, wake_at=at,
        started_at=at if state in {"done", "failed"} else None, finished_at=at + timedelta(minutes=4), **more,
    )  # fmt: skip
    found.state, found.attempts = state, 1
    found.reason = REASONS[state].to_json() if state in REASONS else None
    return found


def _break(session: Session, story: Story, service: Service) -> None:
    """Let a restore have failed when its disks were touched already: the machine is off since then."""
    backup = f"demo{story.vmid}{story.held[-1]:02d}"
    at = started() - timedelta(minutes=25)
    failed = _operation(service, "restore", "failed", at, origin="manual", backup_id=backup)
    read_error = Message("{proxmox}", proxmox="vma-qemu-104.vma.zst : Read error (39) : premature end")
    failed.reason = read_error.to_json()
    session.add(failed)
    session.flush()
    service.restore_failed = failed.id
