"""What a scheduled run does, and that it does what it was said to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puq_backups.errors import Message
from puq_backups.rules import retention, run_decision
from puq_backups.rules.retention import BackupInfo
from puq_backups.rules.run_decision import Facts

START = datetime(2026, 11, 1, tzinfo=UTC)


def held(name: str, day: int, **more: Any) -> BackupInfo:
    usual = {"size": 1, "kind": "scheduled", "kept": False, "missing": False, "restorable": True, "storage": "nas"}
    return BackupInfo(**{"id": name, "created_at": START + timedelta(days=day), **usual, **more})


def facts(*backups: BackupInfo, limit: int = 2, rotation: str = "before", **more: Any) -> Facts:
    return Facts("active", limit, rotation, backups, **more)


A, B, C = held("a", 1), held("b", 2), held("c", 3)


@pytest.mark.parametrize(
    ("changed", "outcome", "reason"),
    [
        ({}, "runs", None),
        ({"status": "suspended"}, "none", run_decision.SUSPENDED),
        ({"status": "terminated"}, "none", run_decision.TERMINATED),
        ({"planned": False}, "none", run_decision.NO_SCHEDULE),
        ({"problem": Message("Another machine.")}, "refused", Message("Another machine.")),
        ({"restore_failed": True, "has_todays": True}, "refused", run_decision.RESTORE_FAILED),
        ({"limit": 0}, "refused", run_decision.NO_BACKUPS),
        ({"has_todays": True}, "skipped", run_decision.TODAYS),
        ({"unfinished": True}, "skipped", run_decision.UNFINISHED),
        ({"backups": [replace(A, kept=True), replace(B, kept=True)]}, "refused",
         Message(run_decision.ALL_KEPT, limit=2)),
    ],
)  # fmt: skip
def test_outcome_and_reason(changed: dict[str, Any], outcome: str, reason: Message | None) -> None:
    found = run_decision.decide(replace(facts(A), **changed))

    assert (found.outcome, found.reason) == (outcome, reason)
    assert outcome == "runs" or found.removes == []


def test_removals_before_and_after_by_the_package() -> None:
    before = run_decision.decide(facts(A, B))
    after = run_decision.decide(facts(A, B, rotation="after"))

    assert (before.before, before.after) == (("a",), ())
    assert (after.before, after.after) == ((), ("a",))


def test_binned_backup_takes_no_place_and_leaves_the_bin_for_the_new_one() -> None:
    found = run_decision.decide(facts(replace(A, binned=True), B))

    assert (found.removes, found.emptied) == ([], ("a",))
    assert run_decision.decide(facts(replace(A, binned=True), B, limit=3)).emptied == ()


def test_bin_gives_its_places_up_oldest_first_and_no_more_than_needed() -> None:
    bin_of_three = [replace(one, binned=True) for one in (A, B, C)]

    assert retention.to_empty(bin_of_three, limit=3, coming=1) == ["a"]
    assert retention.to_empty([*bin_of_three, held("d", 4)], limit=3, coming=1) == ["a", "b"]
    assert retention.to_empty([replace(A, binned=True, kept=True), B], limit=1) == []
    assert retention.to_empty([replace(A, binned=True, storage_usable=False), B], limit=1) == []


@pytest.mark.parametrize("outside", [{"binned": True}, {"counted": False}])
def test_what_does_not_count_is_neither_a_place_nor_rotated_nor_a_floor(outside: dict[str, bool]) -> None:
    others = [replace(held(f"x{number}", -number), **outside) for number in range(14)]

    assert retention.used_places([*others, A]) == 1
    assert run_decision.decide(facts(*others, A, limit=3)).removes == []
    assert retention.to_remove_before([*others, A, B], limit=2, removed_already=0) == ["a"]
    # The only backup that counts stays, however many others can be restored.
    assert retention.to_remove_before([*others, A, held("y", 5, restorable=False)], limit=2, removed_already=0) == [
        "y"
    ]
    assert not retention.blocked_by_kept([replace(one, kept=True) for one in others], limit=3)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()), max_size=8),
    st.integers(1, 4),
    st.sampled_from(["before", "after"]),
)
def test_what_is_shown_is_what_the_run_chooses(states: list[tuple[bool, ...]], limit: int, rotation: str) -> None:
    backups = [
        held(str(number), number, kept=kept, restorable=good, binned=binned, counted=counted)
        for number, (kept, good, binned, counted) in enumerate(states)
    ]
    shown = run_decision.decide(facts(*backups, limit=limit, rotation=rotation))
    if shown.outcome != "runs":
        return
    first = retention.to_remove_before(backups, limit=limit, removed_already=0) if rotation == "before" else []
    left = [one for one in backups if one.id not in first] + [held("new", 99)]
    after = retention.to_remove_after(left, limit=limit, new_id="new")
    assert shown.removes == [*first, *after]
    left = [one for one in left if one.id not in after]
    assert list(shown.emptied) == retention.to_empty(left, limit=limit)
