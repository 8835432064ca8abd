"""Wall times and clock changes: one slot of a local date in each zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.thorough import examples

from puq_backups.rules import next_run, wall_time

from .schedule_helpers import HOUR, MINUTE, ZONES, at, clock, daily, only, zone_names


def clock_changes(zone: str, first: int, last: int) -> list[datetime]:
    """The days before which the zone's offset changes, at midnight UTC."""
    tz, found, day = ZoneInfo(zone), [], datetime(first, 1, 1, tzinfo=UTC)
    while day.year <= last:
        if (day + timedelta(days=1)).astimezone(tz).utcoffset() != day.astimezone(tz).utcoffset():
            found.append(day)
        day += timedelta(days=1)
    return found


def first_minute_at_or_after(zone: str, day: date, time: str) -> datetime:
    """The oracle: the first minute at which the zone's wall clock has reached `time` of `day`."""
    tz, wall = ZoneInfo(zone), datetime.fromisoformat(f"{day}T{time}")
    moment = wall.replace(tzinfo=UTC) - timedelta(hours=27)
    while moment.astimezone(tz).replace(tzinfo=None) < wall:
        moment += MINUTE
    return moment


def test_weekday_0_is_sunday() -> None:
    assert [wall_time.weekday(date(2026, 11, day)) for day in range(22, 29)] == [0, 1, 2, 3, 4, 5, 6]


def test_slot_of_a_day_that_is_off_is_none() -> None:
    schedule = only(0, "UTC", "02:00")

    assert next_run.slot_time(schedule, date(2026, 11, 22)) == at("2026-11-22T02:00")
    assert next_run.slot_time(schedule, date(2026, 11, 23)) is None


@pytest.mark.parametrize(
    ("zone", "day", "time", "moment"),
    [
        ("Europe/Warsaw", "2026-03-28", "02:30", "2026-03-28T01:30"),
        # Skipped: the first minute after the gap is 03:00.
        ("Europe/Warsaw", "2026-03-29", "02:00", "2026-03-29T01:00"),
        ("Europe/Warsaw", "2026-03-29", "02:30", "2026-03-29T01:00"),
        ("Europe/Warsaw", "2026-03-29", "02:59", "2026-03-29T01:00"),
        ("Europe/Warsaw", "2026-03-29", "03:00", "2026-03-29T01:00"),
        ("Europe/Warsaw", "2026-03-29", "01:59", "2026-03-29T00:59"),
        # Repeated: the first pass is still summer time.
        ("Europe/Warsaw", "2026-10-25", "02:30", "2026-10-25T00:30"),
        ("Europe/Warsaw", "2026-10-25", "03:00", "2026-10-25T02:00"),
        ("America/New_York", "2026-03-08", "02:15", "2026-03-08T07:00"),
        ("America/New_York", "2026-11-01", "01:15", "2026-11-01T05:15"),
        # Half an hour, and a gap at midnight.
        ("Australia/Lord_Howe", "2026-10-04", "02:10", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
        ("Africa/Cairo", "2026-04-24", "00:30", "2026-04-23T22:00"),
        # A gap over midnight: the slot of the 27th starts on the 28th.
        ("America/Nuuk", "2026-03-28", "23:30", "2026-03-29T01:00"),
        ("America/Nuuk", "2026-03-28", "22:30", "2026-03-29T00:30"),
    ],
)
def test_slot_over_a_clock_change(zone: str, day: str, time: str, moment: str) -> None:
    assert next_run.slot_time(daily(zone, time), date.fromisoformat(day)) == at(moment)


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Apia", "2011-12-30"), ("Pacific/Kiritimati", "1994-12-31")])
def test_date_that_a_zone_skips_has_no_slot(zone: str, day: str) -> None:
    skipped = date.fromisoformat(day)
    before, after = (next_run.slot_time(daily(zone, "12:00"), skipped + timedelta(days=n)) for n in (-1, 1))

    assert next_run.slot_time(daily(zone, "12:00"), skipped) is None
    assert (before, after) == (at(f"{day}T22:00") - 24 * HOUR, at(f"{day}T22:00"))


@settings(max_examples=examples(3000))
@given(st.data(), zone_names, clock)
@pytest.mark.flow
def test_slot_is_the_first_minute_the_wall_clock_reaches_its_time(data: st.DataObject, zone: str, time: str) -> None:
    changes = clock_changes(zone, 2010, 2012) + clock_changes(zone, 2026, 2027)
    near = st.sampled_from(changes or [at("2026-06-01")]).map(datetime.date)
    day = data.draw(near) + timedelta(days=data.draw(st.integers(-1, 2)))
    expected = first_minute_at_or_after(zone, day, time)

    found = next_run.slot_time(daily(zone, time), day)

    if found is None:
        assert wall_time.local_date(expected - MINUTE, zone) < day < wall_time.local_date(expected, zone)
    else:
        assert found == expected


@pytest.mark.slow
def test_every_zone_gives_each_local_date_of_five_years_one_slot() -> None:
    for zone in ZONES:
        schedule, day, before = daily(zone, "02:30"), date(2026, 1, 1), at("2025-12-01")
        while day.year < 2031:
            moment = next_run.slot_time(schedule, day)
            assert (moment or before) > before, (zone, day)
            assert wall_time.local_date(moment, zone) == day, (zone, day)
            before, day = moment, day + timedelta(days=1 + day.day % 3)
