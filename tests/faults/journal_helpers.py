"""A small journal and rows in which every rule holds, and the entries to break it with."""

from __future__ import annotations

from typing import Any

from faults import rules, slots
from faults.history import History
from faults.run_record import RunRecord

from puq_backups.simulator.world.journal import Entry
from puq_backups.simulator.world.volumes import Volume

TOKEN, SECRET = "panel@pve!puq", "5d0c9a1e"
NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC; the moments of the journal are seconds since then."""
SERVICE = {
    "id": "1", "token": "tok1", "vmid": 100, "status": "active", "client_id": "c1", "quota": 2,
    "schedule": {"timezone": "UTC", "days": [{"day": day, "enabled": True, "time": "12:00"} for day in range(7)]},
}  # fmt: skip
DAY = 86_400.0
A, B, C = (f"nfs:backup/vzdump-qemu-100-2026_01_0{day}-12_00_00.vma.zst" for day in (1, 2, 3))


def upid(kind: str, number: int, subject: str = "100") -> str:
    return f"UPID:pve1:{number:08X}:00000001:69566000:{kind}:{subject}:{TOKEN}:"


def made(at: float, volid: str, operation: str, *, service: str = "tok1", **facts: Any) -> Entry:
    details = {"vmid": 100, "notes": f"[puqb:{service}.{operation}]", "protected": False} | facts
    return Entry(NOON + at, upid("vzdump", int(at)), "added", volid, details)


def removed(at: float, volid: str, operation: str, **facts: Any) -> Entry:
    details = {"vmid": 100, "notes": f"[puqb:tok1.{operation}]", "protected": False} | facts
    return Entry(NOON + at, upid("imgdel", int(at), "100@nfs"), "removed", volid, details)


def operation(name: str, kind: str = "backup", **more: Any) -> dict[str, Any]:
    day = ord(name[-1]) - 96
    facts = {
        "state": "done", "origin": "scheduled", "slot_date": f"2026-01-{day:02}", "step": "", "client_id": "c1",
        "due_at": f"2026-01-{day:02} 12:00:00", "created_at": f"2026-01-{day:02} 12:00:01", "reason": None,
        "backup_id": None,
    }  # fmt: skip
    return {"id": name, "service_id": "1", "token": name, "kind": kind, **facts, **more}


def audit(action: str, text: str, name: str, at: str = "2026-01-03") -> dict[str, Any]:
    return {"action": action, "text": text, "actor": "schedule", "operation_id": name, "at": at, "service_id": "1"}


def good() -> RunRecord:
    """Three daily slots and a rotation that left a good backup, and removed one that was announced."""
    operations = [operation("opa"), operation("opb"), operation("opc")]
    journal = [made(1, A, "opa"), made(DAY, B, "opb"), removed(2 * DAY, A, "opa"), made(2 * DAY + 1, C, "opc")]
    rows = {
        "service": [SERVICE], "operation": operations, "audit": [audit("imgdel", f"remove {A}", "opc")], "backup": [],
    }  # fmt: skip
    history = History()
    history.note(NOON - DAY, SERVICE)
    found = RunRecord(
        journal=journal, rows=rows, token_id=TOKEN, secrets=[SECRET], quotas={"1": [2]}, history=history,
        ended_at=NOON + 2 * DAY + slots.MARGIN + 60,
    )  # fmt: skip
    for volid, name in ((B, "opb"), (C, "opc")):
        storage, _, path = volid.partition(":")
        there = Volume(storage, path, "backup", "vma.zst", 1, 0, 100, notes=f"[puqb:tok1.{name}]")
        found.volumes.append(there)
        found.rows["backup"].append({
            "volid": volid, "removed_at": None, "missing_at": None, "service_id": "1", "kind": "scheduled",
            "released_at": None, "local_date": None,
        })  # fmt: skip
    return found


def sentences(found: RunRecord) -> list[str]:
    return rules.broken(found)
