"""The rules of rotation, one by one, and over random histories of a service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from puq_backups.rules import retention
from puq_backups.rules.retention import BackupInfo

from .retention_helpers import DAY, GIB, START, after, before, next_removals


def held(name: str, day: int, **facts: Any) -> BackupInfo:
    usual: dict[str, Any] = {
        "size": 5 * GIB, "kind": "scheduled", "kept": False, "missing": False, "restorable": True, "storage": "nas",
    }  # fmt: skip
    return BackupInfo(name, START + day * DAY, **usual | facts)


def week(count: int = 3, **facts: Any) -> list[BackupInfo]:
    """Backups with the ids a, b, c…, one a day, oldest first."""
    return [held("abcdefgh"[day], day, **facts) for day in range(count)]


NEW = held("new", 9)


def test_quota_counts_all_but_missing_backups() -> None:
    backups = [*week(), held("d", 3, missing=True), held("e", 4, restorable=False), held("f", 5, kept=True)]

    assert retention.used_places(backups) == 5
    assert retention.used_places([]) == 0


def test_before_removes_the_oldest_of_a_full_quota() -> None:
    assert before([*reversed(week())], 3) == ["a"]


def test_before_removes_manual_backups_too() -> None:
    assert before([held("m", -1, kind="manual"), *week(2)], 3) == ["m"]


def test_before_removes_nothing_while_a_place_is_free() -> None:
    assert before(week(), 4) == []
    assert before([held("x", -1, missing=True), *week()], 4) == []


def test_before_removes_one_over_all_attempts_of_a_slot() -> None:
    assert before(week(), 3, removed=1) == []
    assert before(week(8), 3) == ["a"]


@pytest.mark.parametrize("limit", [0, 1])
def test_before_removes_nothing_with_a_quota_of(limit: int) -> None:
    assert before(week(), limit) == []


@pytest.mark.parametrize("spared", [{"kept": True}, {"storage_usable": False}, {"kind": "safety"}])
def test_before_spares(spared: dict[str, Any]) -> None:
    assert before([held("x", -1, **spared), *week()], 3) == ["a"]


def test_before_spares_missing_backups() -> None:
    assert before([held("x", -1, missing=True), *week()], 3) == ["a"]


def test_before_spares_the_last_restorable_backup() -> None:
    good, bad = held("good", 0), held("bad", 1, restorable=False)

    assert before([good, bad], 2) == ["bad"]
    assert before([good, held("kept", 1, restorable=False, kept=True)], 2) == []


def test_before_does_not_lean_on_backups_that_cannot_be_had() -> None:
    """Offline backups and safety copies do not count as the last restorable backup."""
    good = held("good", 0)

    for other in ({"storage_usable": False}, {"kind": "safety"}):
        assert before([good, held("x", 1, kept=True, restorable=False), held("y", 2, **other)], 2) == []


def test_before_removes_nothing_for_a_run_that_kept_backups_stop() -> None:
    assert before([held("x", -1), *week(2, kept=True)], 2) == []


def test_after_comes_down_to_the_quota_oldest_first() -> None:
    assert after(week(3), 3, NEW) == ["a"]
    assert after(week(5), 3, NEW) == ["a", "b", "c"]
    assert after(week(2), 3, NEW) == []


def test_after_removes_the_only_other_backup_with_a_quota_of_1() -> None:
    assert after(week(1), 1, NEW) == ["a"]


def test_after_removes_nothing_with_a_quota_of_0() -> None:
    assert after(week(3), 0, NEW) == []


@pytest.mark.parametrize("wrong", [{"restorable": False}, {"missing": True}, {"storage_usable": False}])
def test_after_removes_nothing_unless_the_new_one_is_safe(wrong: dict[str, Any]) -> None:
    assert after(week(5), 3, replace(NEW, **wrong)) == []
    assert retention.to_remove_after(week(5), limit=3, new_id="unheard of") == []


@pytest.mark.parametrize("spared", [{"kept": True}, {"storage_usable": False}])
def test_after_spares(spared: dict[str, Any]) -> None:
    assert after([held("x", -1, **spared), *week(3)], 3, NEW) == ["a", "b"]


def test_after_spares_missing_and_safety_copies_and_does_not_count_them() -> None:
    assert after([held("x", -2, missing=True), held("y", -1, kind="safety"), *week(3)], 3, NEW) == ["a"]


def test_after_spares_the_new_one_when_the_clock_was_set_back() -> None:
    assert after(week(3), 2, held("new", -365)) == ["a", "b"]


def test_after_stops_where_only_kept_ones_are_left() -> None:
    assert after([held("a", 0), *[held(name, 1, kept=True) for name in "xyz"]], 2, NEW) == ["a"]


@pytest.mark.parametrize("rotation", ["before", "after"])
def test_preview_names_all_that_a_lowered_quota_takes(rotation: str) -> None:
    assert next_removals(week(5), 2, rotation) == ["a", "b", "c", "d"]
    assert next_removals(week(2), 3, rotation) == []
    assert next_removals(week(1), 1, rotation) == ["a"]
    assert next_removals(week(3), 0, rotation) == []


def test_preview_is_empty_for_a_run_that_kept_backups_stop() -> None:
    assert next_removals([*week(3, kept=True), held("x", 5)], 3, "before") == []


def test_quota_full_of_kept_backups_stops_a_run() -> None:
    assert retention.blocked_by_kept(week(3, kept=True), limit=3)
    assert retention.blocked_by_kept([*week(3, kept=True), held("x", 5)], limit=3)
    assert not retention.blocked_by_kept([*week(2, kept=True), held("x", 5)], limit=3)
    assert not retention.blocked_by_kept(week(3, kept=True), limit=0)


@pytest.mark.parametrize("gone", [{"storage_usable": False}, {"missing": True}, {"kind": "safety"}])
def test_kept_backups_that_are_not_there_stop_no_run(gone: dict[str, Any]) -> None:
    assert not retention.blocked_by_kept(week(3, kept=True, **gone), limit=3)


def test_room_needed_is_the_size_of_the_newest_restorable_one_there() -> None:
    backups = [
        held("a", 0, size=9 * GIB), held("b", 1, size=6 * GIB), held("c", 2, size=1, restorable=False),
        held("d", 3, size=99 * GIB, storage="other"), held("e", 4, size=None),
    ]  # fmt: skip

    assert retention.expected_size([*reversed(backups)], on_storage="nas") == 6 * GIB


def test_room_needed_is_unknown_without_a_size_and_on_pbs() -> None:
    assert retention.expected_size([], on_storage="nas") is None
    assert retention.expected_size(week(size=None), on_storage="nas") is None
    assert retention.expected_size(week(frees_space=False), on_storage="nas") is None


@pytest.mark.parametrize(
    ("available", "needed", "freed", "room"),
    [
        (10, 10, 0, True),
        (9, 10, 0, False),
        (9, 10, 1, True),
        (None, 10, 0, True),
        (0, None, 0, True),
        (0, 1, 0, False),
    ],
)
def test_room_is_what_is_free_and_what_goes_before(
    available: int | None, needed: int | None, freed: int, room: bool
) -> None:
    assert retention.has_room(available, needed, freed) is room
