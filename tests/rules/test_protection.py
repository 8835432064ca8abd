"""How a service is protected: each state, its reason, and when it is computed again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from puq_backups.errors import Message
from puq_backups.models import PROTECTION
from puq_backups.rules.protection import Facts, Good, Slot, judge
from puq_backups.rules.run_decision import RunDecision

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CATCH_UP = 12 * HOUR
LAST_NIGHT, THE_NIGHT_BEFORE = Slot(NOW - 10 * HOUR), Slot(NOW - 34 * HOUR)
NEXT = NOW + 14 * HOUR
RUNS, REFUSED = RunDecision("runs"), RunDecision("refused", Message("All are kept."))


def good(ago: timedelta, *, reachable: bool = True) -> Good:
    return Good(NOW - ago, reachable)


DAILY = Facts("active", 3, True, [LAST_NIGHT, THE_NIGHT_BEFORE], [good(9 * HOUR)], NEXT, RUNS)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "protected"),
        ({"good": [good(33 * HOUR)]}, "at_risk"),
        ({"next_run": REFUSED}, "at_risk"),
        ({"good": [good(35 * HOUR)]}, "unprotected"),
        ({"good": []}, "unprotected"),
        ({"good": [good(35 * HOUR)], "slots": [replace(LAST_NIGHT, skipped=True), THE_NIGHT_BEFORE]}, "protected"),
        ({"good": [good(35 * HOUR)], "slots": [LAST_NIGHT, replace(THE_NIGHT_BEFORE, skipped=True)]}, "at_risk"),
        # A run that may still come does not count yet; one whose time is over does, whatever it does.
        ({"good": [good(33 * HOUR)], "slots": [replace(LAST_NIGHT, open=True), THE_NIGHT_BEFORE]}, "protected"),
        ({"good": [good(33 * HOUR)], "slots": [Slot(NOW - 13 * HOUR, open=True), THE_NIGHT_BEFORE]}, "at_risk"),
        ({"good": [good(9 * HOUR, reachable=False)]}, "unknown"),
        ({"good": [good(9 * HOUR, reachable=False), good(35 * HOUR)]}, "unprotected"),
        ({"planned": False}, "unscheduled"),
        ({"limit": 0}, "unscheduled"),
        ({"slots": [], "good": []}, "starting"),
        ({"slots": [], "good": [], "next_run": REFUSED}, "at_risk"),
        ({"slots": []}, "protected"),
        ({"status": "suspended"}, "paused"),
        ({"status": "terminated"}, "paused"),
    ],
)
def test_state_by_what_is_so(changed: dict[str, Any], state: str) -> None:
    found = judge(replace(DAILY, **changed), NOW, CATCH_UP)

    assert found.state == state
    assert state in PROTECTION
    assert len(str(found.reason)) > 10


def test_weekly_schedule_is_protected_the_week_through() -> None:
    weekly = replace(DAILY, slots=[Slot(NOW - 6 * DAY), Slot(NOW - 13 * DAY)], good=[good(6 * DAY - HOUR)])

    assert judge(weekly, NOW, CATCH_UP).state == "protected"


def test_last_good_backup_is_told_in_every_state() -> None:
    for changed in ({}, {"status": "suspended"}, {"planned": False}, {"good": [good(9 * HOUR, reachable=False)]}):
        assert judge(replace(DAILY, **changed), NOW, CATCH_UP).last_good_at == NOW - 9 * HOUR  # type: ignore[arg-type]  # fields of several types
    assert judge(replace(DAILY, good=[]), NOW, CATCH_UP).last_good_at is None


def test_it_is_computed_again_when_a_run_can_no_longer_come() -> None:
    running = replace(DAILY, slots=[replace(LAST_NIGHT, open=True), THE_NIGHT_BEFORE])

    assert judge(DAILY, NOW, CATCH_UP).changes_at == NEXT + CATCH_UP
    assert judge(running, NOW, CATCH_UP).changes_at == LAST_NIGHT.at + CATCH_UP
    assert judge(replace(DAILY, status="suspended"), NOW, CATCH_UP).changes_at is None


@pytest.mark.parametrize("hours", range(0, 72, 5))
def test_nothing_changes_before_that_moment(hours: int) -> None:
    """Time alone changes the state only at `changes_at`."""
    facts = replace(
        DAILY, good=[good(timedelta(hours=hours))], slots=[replace(LAST_NIGHT, open=True), THE_NIGHT_BEFORE]
    )
    now = judge(facts, NOW, CATCH_UP)
    assert now.changes_at is not None

    just_before = judge(facts, now.changes_at - timedelta(seconds=1), CATCH_UP)
    assert just_before.state == now.state
