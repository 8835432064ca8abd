"""Saving a schedule: what runs today."""

from __future__ import annotations

from datetime import date
from typing import Any

from puq_backups.rules import next_run
from puq_backups.rules.schedule import Day, Schedule

from .schedule_helpers import CATCH_UP, TODAY, TOMORROW, at, daily, only


def saved(old: Schedule | None, new: Schedule, now: str, *, taken: tuple[str, ...] = (), made: bool = False) -> Any:
    """The next slot after a save: its date and moment."""
    dates = {date.fromisoformat(day) for day in taken}
    since = next_run.effective_from(old, new, at(now), catch_up=CATCH_UP, taken=dates, made_today=made)
    return next_run.next_run(new, since, taken=dates)


def test_saving_a_new_time_that_is_past_makes_today_due_at_once() -> None:
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T10:00") == (TODAY, at("2026-11-23T08:00"))
    assert saved(Schedule.empty("UTC"), daily("UTC", "08:00"), "2026-11-23T10:00")[0] == TODAY
    assert saved(daily("UTC", "14:00"), daily("UTC", "08:00"), "2026-11-23T10:00")[0] == TODAY


def test_saving_a_time_that_is_past_waits_when_something_was_made_today() -> None:
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T10:00", made=True)[0] == TOMORROW


def test_saving_a_time_that_is_past_waits_when_today_or_a_later_date_has_a_slot() -> None:
    now, old, new = at("2026-11-23T10:00"), daily("UTC", "03:00"), daily("UTC", "08:00")

    for taken in ({TODAY}, {TOMORROW}):
        assert next_run.effective_from(old, new, now, catch_up=CATCH_UP, taken=taken, made_today=False) == now


def test_saving_a_time_that_is_past_by_more_than_the_catch_up_waits() -> None:
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T20:00")[0] == TODAY
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T20:01")[0] == TOMORROW


def test_saving_an_unchanged_time_never_fires_again() -> None:
    old = daily("UTC", "08:00")
    other_day_changed = Schedule("UTC", (Day(), *old.days[1:]))

    assert saved(old, old, "2026-11-23T10:00")[0] == TOMORROW
    assert saved(old, other_day_changed, "2026-11-23T10:00")[0] == TOMORROW
    assert saved(old, daily("Europe/London", "08:00"), "2026-11-23T10:00")[0] == TOMORROW


def test_saving_a_later_time_of_today_counts_today() -> None:
    assert saved(daily("UTC", "08:00"), daily("UTC", "14:00"), "2026-11-23T10:00") == (TODAY, at("2026-11-23T14:00"))


def test_saving_yesterdays_weekday_does_not_reach_back() -> None:
    sunday = only(0, "UTC", "23:00")

    assert saved(None, sunday, "2026-11-23T01:00")[0] == date(2026, 11, 29)


def test_change_of_zone_does_not_run_a_date_again() -> None:
    found = saved(
        daily("Asia/Tokyo", "08:00"), daily("America/New_York", "08:00"), "2026-11-23T01:00",
        taken=("2026-11-22", "2026-11-23"),
    )  # fmt: skip

    assert found == (TOMORROW, at("2026-11-24T13:00"))
