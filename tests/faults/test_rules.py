"""Each rule sees what breaks it: small journals and rows in which exactly one thing is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from faults import rules
from faults.diary import Diary

from puq_backups.simulator.world.journal import Entry
from puq_backups.simulator.world.volumes import Volume

TOKEN, SECRET = "panel@pve!puq", "5d0c9a1e"
SERVICE = {"id": "1", "token": "tok1", "vmid": 100}
A, B, C = (f"nfs:backup/vzdump-qemu-100-2026_01_0{day}-12_00_00.vma.zst" for day in (1, 2, 3))


def upid(kind: str, number: int, subject: str = "100") -> str:
    return f"UPID:pve1:{number:08X}:00000001:69566000:{kind}:{subject}:{TOKEN}:"


def made(at: float, volid: str, operation: str, *, service: str = "tok1", **facts: Any) -> Entry:
    details = {"vmid": 100, "notes": f"[puqb:{service}.{operation}]", "protected": False} | facts
    return Entry(at, upid("vzdump", int(at)), "added", volid, details)


def removed(at: float, volid: str, operation: str, **facts: Any) -> Entry:
    details = {"vmid": 100, "notes": f"[puqb:tok1.{operation}]", "protected": False} | facts
    return Entry(at, upid("imgdel", int(at), "100@nfs"), "removed", volid, details)


def operation(name: str, kind: str = "backup", **more: Any) -> dict[str, Any]:
    facts = {"state": "done", "origin": "scheduled", "slot_date": f"2026-01-{ord(name[-1]) - 96:02}", "step": ""}
    return {"id": name, "service_id": "1", "token": name, "kind": kind, **facts, **more}


def announced(volid: str, name: str, at: str = "2026-01-03") -> dict[str, Any]:
    return {"action": "imgdel", "text": f"remove {volid}", "actor": "schedule", "operation_id": name, "at": at}


def diary(journal: list[Entry], operations: list[dict[str, Any]], audit: list[dict[str, Any]], **more: Any) -> Diary:
    rows = {"service": [SERVICE], "operation": operations, "audit": audit, "backup": [], **more}
    return Diary(journal=journal, rows=rows, token_id=TOKEN, secret=SECRET, quotas={"1": [2]})


def good() -> Diary:
    """A rotation that left a good backup, and removed one that was announced."""
    operations = [operation("opa"), operation("opb"), operation("opc")]
    journal = [made(1, A, "opa"), made(2, B, "opb"), removed(3, A, "opa"), made(4, C, "opc")]
    found = diary(journal, operations, [announced(A, "opc")])
    for volid, name in ((B, "opb"), (C, "opc")):
        storage, _, path = volid.partition(":")
        there = Volume(storage, path, "backup", "vma.zst", 1, 0, 100, notes=f"[puqb:tok1.{name}]")
        found.volumes.append(there)
        found.rows["backup"].append({"volid": volid, "removed_at": None, "missing_at": None, "service_id": "1"})
    return found


def sentences(found: Diary) -> list[str]:
    return rules.broken(found)


def test_nothing_is_broken_where_all_is_well() -> None:
    assert sentences(good()) == []


def test_last_restorable_backup_rotated() -> None:
    found = good()
    found.journal.remove(made(2, B, "opb"))
    assert any("was the last restorable backup" in one for one in rules.floor_and_rotation(found))


def test_backup_that_failed_verification_is_no_survivor() -> None:
    found = good()
    found.journal.insert(2, Entry(2.5, "control", "control", "verification", {"volid": B, "state": "failed"}))
    assert any("was the last restorable backup" in one for one in rules.floor_and_rotation(found))


def test_kept_backup_rotated() -> None:
    found = good()
    found.journal.insert(1, Entry(1.5, TOKEN, "changed", A, made(1, A, "opa", protected=True).details))
    assert any("is kept" in one for one in rules.floor_and_rotation(found))


def test_two_removed_before_one_was_made() -> None:
    found = good()
    found.journal[3:3] = [removed(3.5, B, "opb")]
    found.rows["audit"].append(announced(B, "opc"))
    assert any("removed 2 backups before" in one for one in rules.floor_and_rotation(found))


def test_foreign_backup_removed() -> None:
    found = good()
    found.journal[0] = made(1, A, "opx", service="tok9")
    found.journal[2] = removed(3, A, "opx", notes="[puqb:tok9.opx]")
    assert any("is not of service 1" in one for one in rules.floor_and_rotation(found))


def test_two_writers() -> None:
    found = good()
    found.journal += [
        Entry(9, TOKEN, "started", upid("vzdump", 9), {}),
        Entry(9, TOKEN, "started", upid("qmstop", 10)),
    ]
    assert [one[:2] for one in sentences(found)] == ["2:"]


@pytest.mark.parametrize("change", [{"state": "running"}, {"slot_date": "2026-01-02"}])
def test_slot_without_an_end_or_twice(change: dict[str, Any]) -> None:
    found = good()
    found.rows["operation"][0].update(change)
    assert [one[:2] for one in sentences(found)] == ["3:"]


def test_file_without_a_row_and_row_without_a_file() -> None:
    found = good()
    found.rows["backup"].pop()
    found.volumes.pop(0)
    assert [one[:2] for one in sentences(found)] == ["4:", "4:"]


def test_removal_without_an_audit_row() -> None:
    found = good()
    found.journal.append(Entry(9, TOKEN, "asked", f"DELETE /nodes/pve1/storage/nfs/content/{B}", {"params": {}}))
    assert [one[:2] for one in sentences(found)] == ["5:"]


def test_two_archives_of_one_operation() -> None:
    found = good()
    found.journal[1] = made(2, B, "opc")
    assert any("made" in one for one in rules.nothing_twice(found))


def test_restored_without_being_asked() -> None:
    found = good()
    found.journal.append(Entry(9, "simulator", "ended", upid("qmrestore", 9), {"exitstatus": "OK"}))
    assert [one[:2] for one in sentences(found)] == ["6:"]


def test_secret_in_log_and_row() -> None:
    found = good()
    found.lines.append(f"INFO token {SECRET}")
    found.rows["mail"] = [{"id": "m", "body": SECRET}]
    assert [one[:2] for one in sentences(found)] == ["8:", "8:"]


def test_more_files_than_the_quota() -> None:
    found = good()
    found.quotas["1"] = [0]
    assert any(one.startswith("quota") for one in sentences(found))
