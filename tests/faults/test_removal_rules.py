"""Rule 1: each removal that breaks it is found, and each that has its cause is not."""

from __future__ import annotations

from typing import Any

import pytest
from faults import removals
from faults.run_record import RunRecord

from puq_backups.simulator.world.journal import Entry

from .journal_helpers import DAY, NOON, SERVICE, TOKEN, A, B, audit, good, made, removed


def rotated(found: RunRecord) -> list[str]:
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


def test_rotated_for_a_quota_that_was_raised_while_the_removal_waited() -> None:
    found = good()
    found.history.note(NOON + 2 * DAY - 3600, SERVICE | {"quota": 3})
    assert not any("places were taken" in one for one in rotated(found))


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


@pytest.mark.parametrize("kind", ["adopted", "imported"])
@pytest.mark.parametrize("notes", ["", "[puqb:tok1.opa]"])
def test_archive_of_others_rotated_before_it_was_released(kind: str, notes: str) -> None:
    found = good()
    found.journal[0] = made(1, A, "", notes=notes)
    found.journal[2] = removed(2 * DAY, A, "", notes=notes)
    found.rows["backup"].append({"volid": A, "kind": kind, "service_id": "1", "removed_at": "2026-01-03 12:00:00"})
    unreleased = rotated(found)
    found.releases[A] = NOON + DAY

    assert unreleased == [f"1: {A} was made by others, is not released and was rotated"]
    assert rotated(found) == []


def test_archive_of_others_is_no_survivor_before_it_was_released() -> None:
    found = good()
    found.rows["backup"][0]["kind"] = "imported"
    unreleased = rotated(found)
    found.releases[B] = NOON + DAY

    assert any("was the last restorable backup" in one for one in unreleased)
    assert rotated(found) == []
