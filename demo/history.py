"""A month of history for the demo's third customer: the rows for the archives of machines.py.

A real host never writes the tables of puq-backups; the demo does, to show a past.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from puq_backups.errors import Message
from puq_backups.models import Backup, Operation, Service
from puq_backups.rules.run_decision import ALL_KEPT, TODAYS

from .machines import BROKEN, DAYS, NODE, UNPROTECTED, Machine, size, slot, started, volid

REASONS = {
    "failed": Message("The storage {storage} is offline.", storage="backup"),
    "refused": Message(ALL_KEPT, limit=3),
    "skipped": TODAYS,
}


def write(session: Session, machine: Machine, service: Service) -> None:
    """Write the last DAYS slots of a service, and for BROKEN a failed restore."""
    for days in range(DAYS):
        for row in _slot_rows(machine, service, days):
            session.add(row)
    session.flush()
    if machine.name == BROKEN:
        _fail_restore(session, machine, service)
    if machine.name == UNPROTECTED:
        service.unprotected_told_at = started()


def _slot_rows(machine: Machine, service: Service, days: int) -> Iterator[Operation | Backup]:
    at, state = slot(days), machine.ends.get(days, "done")
    operation = _operation(service, "backup", state, at, origin="scheduled", slot_date=at.date().isoformat())
    if state == "done":
        backup = Backup.of(
            service, operation_id=operation.id, volid=volid(machine, days), storage="backup", node=NODE,
            kind="scheduled", slot_date=operation.slot_date, local_date=at.date().isoformat(), created_at=at,
            seen_at=started(), size=size(machine, days), disks=1, kept=machine.kept and days in machine.held,
            removed_at=None if days in machine.held else at + timedelta(days=len(machine.held)),
        )  # fmt: skip
        backup.id = f"demo{machine.vmid}{days:02d}"
        operation.backup_id = backup.id
        yield backup
    yield operation


def _operation(service: Service, kind: str, state: str, at: datetime, **more: Any) -> Operation:
    """Return an operation that began at `at` and ended four minutes later."""
    found = Operation.new(
        service, kind, actor="system", storage="backup", created_at=at, due_at=at, wake_at=at,
        started_at=at if state in {"done", "failed"} else None, finished_at=at + timedelta(minutes=4), **more,
    )  # fmt: skip
    found.state, found.attempts = state, 1
    found.reason = REASONS[state].to_json() if state in REASONS else None
    return found


def _fail_restore(session: Session, machine: Machine, service: Service) -> None:
    """Write a restore that found its backup damaged after the disks were changed, which leaves the machine off."""
    backup = f"demo{machine.vmid}{machine.held[-1]:02d}"
    at = started() - timedelta(minutes=25)
    failed = _operation(service, "restore", "failed", at, origin="manual", backup_id=backup)
    read_error = Message("{proxmox}", proxmox="vma-qemu-104.vma.zst : Read error (39) : premature end")
    failed.reason = read_error.to_json()
    session.add(failed)
    session.flush()
    service.restore_failed = failed.id
    session.get_one(Backup, backup).damaged_at = failed.finished_at
