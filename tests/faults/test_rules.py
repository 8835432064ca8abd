"""Each rule sees what breaks it: small journals and rows in which exactly one thing is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from faults import removals, rules, slots
from faults.diary import Destruction, Diary, Intrusion
from faults.history import History

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
    }  # fmt: skip
    return {"id": name, "service_id": "1", "token": name, "kind": kind, **facts, **more}


def audit(action: str, text: str, name: str, at: str = "2026-01-03") -> dict[str, Any]:
    return {"action": action, "text": text, "actor": "schedule", "operation_id": name, "at": at}


def good() -> Diary:
    """Three daily slots and a rotation that left a good backup, and removed one that was announced."""
    operations = [operation("opa"), operation("opb"), operation("opc")]
    journal = [made(1, A, "opa"), made(DAY, B, "opb"), removed(2 * DAY, A, "opa"), made(2 * DAY + 1, C, "opc")]
    rows = {
        "service": [SERVICE], "operation": operations, "audit": [audit("imgdel", f"remove {A}", "opc")], "backup": [],
    }  # fmt: skip
    history = History()
    history.note(NOON - DAY, SERVICE)
    found = Diary(
        journal=journal, rows=rows, token_id=TOKEN, secrets=[SECRET], quotas={"1": [2]}, history=history,
        ended_at=NOON + 2 * DAY + slots.MARGIN + 60,
    )  # fmt: skip
    for volid, name in ((B, "opb"), (C, "opc")):
        storage, _, path = volid.partition(":")
        there = Volume(storage, path, "backup", "vma.zst", 1, 0, 100, notes=f"[puqb:tok1.{name}]")
        found.volumes.append(there)
        found.rows["backup"].append({
            "volid": volid, "removed_at": None, "missing_at": None, "service_id": "1", "kind": "scheduled",
            "released_at": None,
        })  # fmt: skip
    return found


def sentences(found: Diary) -> list[str]:
    return rules.broken(found)


def test_nothing_is_broken_where_all_is_well() -> None:
    assert sentences(good()) == []


def rotated(found: Diary) -> list[str]:
    return list(removals.floor_and_rotation(found))


def test_last_restorable_backup_rotated() -> None:
    found = good()
    found.journal.remove(made(DAY, B, "opb"))
    assert any("was the last restorable backup" in one for one in rotated(found))


CONTROLS: dict[str, dict[str, Any]] = {
    "verification": {"volid": B, "state": "failed"}, "storage-offline": {"storage": "nfs"},
    "storage-removed": {"storage": "nfs"},
}  # fmt: skip


@pytest.mark.parametrize("name", CONTROLS)
def test_backup_that_cannot_be_restored_is_no_survivor(name: str) -> None:
    found = good()
    found.journal.insert(2, Entry(NOON + DAY + 9, "control", "control", name, CONTROLS[name]))
    assert any("was the last restorable backup" in one for one in rotated(found))


def test_archive_that_somebody_removed_is_no_survivor() -> None:
    found = good()
    gone = Entry(NOON + DAY + 9, "control archive-gone", "removed", B, made(DAY, B, "opb").details)
    found.journal.insert(2, gone)
    assert any("was the last restorable backup" in one for one in rotated(found))


def test_backup_in_the_bin_is_no_survivor() -> None:
    found = good()
    found.rows["audit"].append(audit("bin", f"{B} by client c1", "", at="2026-01-02"))
    assert any("was the last restorable backup" in one for one in rotated(found))


@pytest.mark.parametrize("change", [{"client_id": "c2"}, {"kind": "restore"}, {"service_id": "2"}])
def test_backup_of_another_owner_or_kind_is_no_survivor(change: dict[str, Any]) -> None:
    found = good()
    found.rows["operation"][1].update(change)
    assert any("was the last restorable backup" in one for one in rotated(found))


def test_kept_backup_rotated() -> None:
    found = good()
    found.journal.insert(1, Entry(NOON + 2, TOKEN, "changed", A, made(1, A, "opa", protected=True).details))
    assert any("is kept" in one for one in rotated(found))


def test_kept_backup_unkept_and_removed_by_a_persons_removal() -> None:
    found = good()
    kept, unkept = (made(1, A, "opa", protected=protected).details for protected in (True, False))
    found.journal[1:1] = [
        Entry(NOON + 2, TOKEN, "changed", A, kept), Entry(NOON + 2 * DAY - 1, TOKEN, "changed", A, unkept),
    ]  # fmt: skip
    found.rows["operation"][2].update(kind="remove", origin="manual", created_at="2026-01-02 12:00:00")
    assert any("was kept and removed" in one for one in rotated(found))


@pytest.mark.parametrize(
    ("origin", "sentence"),
    [("bin", "nobody had put"), ("purge", "goes on"), ("expiry", "no safety copy"), ("again", "without a removal")],
)
def test_removal_that_nothing_called_for(origin: str, sentence: str) -> None:
    found = good()
    found.rows["operation"][2].update(kind="remove", origin=origin)
    assert any(sentence in one for one in rotated(found))


def test_rotated_though_a_place_was_free() -> None:
    found = good()
    found.history.note(NOON + DAY, SERVICE | {"quota": 3})
    assert any("only 2 of 3 places" in one for one in rotated(found))


def test_two_removed_before_one_was_made() -> None:
    found = good()
    found.journal[3:3] = [removed(2 * DAY, B, "opb")]
    found.rows["audit"].append(audit("imgdel", f"remove {B}", "opc"))
    assert any("removed 2 backups before" in one for one in rotated(found))


def test_foreign_backup_removed() -> None:
    found = good()
    found.journal[0] = made(1, A, "opx", service="tok9")
    found.journal[2] = removed(2 * DAY, A, "opx", notes="[puqb:tok9.opx]")
    assert any("is not of service 1" in one for one in rotated(found))


RUNS = Entry(NOON + 9, TOKEN, "started", upid("vzdump", 9), {})
WRITES = {
    "task": Entry(NOON + 9, TOKEN, "started", upid("qmstop", 10)),
    "config": Entry(NOON + 9, TOKEN, "asked", "PUT /nodes/pve1/qemu/100/config", {"params": {}}),
    "power": Entry(NOON + 9, TOKEN, "asked", "POST /nodes/pve1/qemu/100/status/start", {"params": {}}),
    "restore": Entry(NOON + 9, TOKEN, "asked", "POST /nodes/pve1/qemu", {"params": {"vmid": "100"}}),
    "firewall": Entry(NOON + 9, TOKEN, "asked", "DELETE /nodes/pve1/qemu/100/firewall/rules/0", {"params": {}}),
}


@pytest.mark.parametrize("name", WRITES)
def test_two_writers(name: str) -> None:
    found = good()
    found.journal += [RUNS, WRITES[name]]
    assert [one[:2] for one in sentences(found)] == ["2:"]


def test_vm_of_somebody_else_backed_up() -> None:
    found = good()
    found.journal += [Entry(NOON + 8, "control", "control", "vmid-reused", {"vmid": 100}), RUNS]
    assert [one[:2] for one in sentences(found)] == ["2:"]


@pytest.mark.parametrize(
    "change",
    [
        {"state": "running"}, {"slot_date": "2026-01-02"}, {"slot_date": None}, {"due_at": "2026-01-01 13:00:00"},
        {"state": "missed", "reason": "late"}, {"state": "refused"}, {"token": "none"},
    ],
)  # fmt: skip
def test_slot_without_its_end_or_twice(change: dict[str, Any]) -> None:
    found = good()
    found.rows["operation"][0].update(change)
    assert "3:" in {one[:2] for one in sentences(found)}


def test_slot_on_a_day_that_no_schedule_names() -> None:
    found = good()
    found.rows["operation"].append(operation("opz", slot_date="2026-01-26"))
    assert any("no schedule names" in one for one in sentences(found))


def test_file_without_a_row_and_row_without_a_file() -> None:
    found = good()
    found.rows["backup"].pop()
    found.volumes.pop(0)
    assert [one[:2] for one in sentences(found)] == ["4:", "4:"]


def test_destruction_without_an_audit_row() -> None:
    found = good()
    found.destructions += [Destruction(f"imgdel {B}", 1), Destruction(f"imgdel {B}", 1)]
    assert [one[:2] for one in sentences(found)] == ["5:"]


def test_two_archives_of_one_operation() -> None:
    found = good()
    found.journal[1] = made(DAY, B, "opc")
    assert any("made" in one for one in rules.nothing_twice(found))


@pytest.mark.parametrize("kind", ["qmrestore", "qmclone"])
def test_restored_or_cloned_without_being_asked(kind: str) -> None:
    found = good()
    found.journal.append(Entry(NOON + 9, "simulator", "ended", upid(kind, 9), {"exitstatus": "OK"}))
    assert [one[:2] for one in sentences(found)] == ["6:"]


@pytest.mark.parametrize(
    "intrusion",
    [
        Intrusion("RemoveBackup", "success", 0, changed=False),
        Intrusion("KeepBackup", rules.NOT_FOUND, 1, changed=False),
        Intrusion("EditNote", rules.NOT_FOUND, 0, changed=True),
        Intrusion("EditNote", "It is kept.", 0, changed=False),
    ],
)
def test_stranger_who_learns_or_changes_something(intrusion: Intrusion) -> None:
    found = good()
    found.intrusions += [Intrusion("UndoRemove", rules.NOT_FOUND, 0, changed=False), intrusion]
    assert [one[:2] for one in sentences(found)] == ["7:"]


def test_secret_in_log_row_and_answer() -> None:
    found = good()
    found.lines.append(f"INFO token {SECRET}")
    found.rows["mail"] = [{"id": "m", "body": SECRET}]
    found.deeds["look", SECRET] += 1
    assert [one[:2] for one in sentences(found)] == ["8:", "8:", "8:"]


def test_more_files_than_the_quota() -> None:
    found = good()
    found.quotas["1"] = [0]
    assert any(one.startswith("quota") for one in sentences(found))
