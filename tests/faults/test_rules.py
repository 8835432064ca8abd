"""Each rule sees what breaks it: small journals and rows in which exactly one thing is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from faults import rules
from faults.run_record import Destruction, Intrusion

from puq_backups.simulator.world.journal import Entry

from .journal_helpers import DAY, NOON, SECRET, TOKEN, B, good, made, operation, removed, sentences, upid


def test_nothing_is_broken_where_all_is_well() -> None:
    assert sentences(good()) == []


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
    found.answers["look", SECRET] += 1
    assert [one[:2] for one in sentences(found)] == ["8:", "8:", "8:"]


def test_more_files_than_the_quota() -> None:
    found = good()
    found.quotas["1"] = [0]
    assert any(one.startswith("quota") for one in sentences(found))


def test_file_that_proxmox_was_told_to_remove_does_not_count() -> None:
    found = good()
    found.quotas["1"] = [0]
    for volid in found.files:
        found.journal.insert(0, Entry(NOON, TOKEN, "asked", f"DELETE /nodes/pve1/storage/nfs/content/{volid}", {}))
    assert not any(one.startswith("quota") for one in sentences(found))


def test_file_that_came_back_with_its_storage_does_not_count() -> None:
    found = good()
    found.quotas["1"] = [1]
    found.rows["operation"].append(operation("opd"))
    another = B.replace("12_00_00", "13_00_00")
    gone, new, back = removed(2 * DAY + 2, B, "opb"), made(2 * DAY + 3, another, "opd"), made(2 * DAY + 4, B, "opb")
    found.journal += [gone, new, back]
    assert not any(one.startswith("quota") for one in sentences(found))

    found.journal.remove(gone)
    found.journal.remove(back)
    assert any(one.startswith("quota") for one in sentences(found))
