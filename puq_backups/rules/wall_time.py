"""Converts wall times of an IANA time zone to UTC, across clock changes. Weekday 0 is Sunday."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

DAYS_PER_WEEK = 7


@cache
def zones() -> frozenset[str]:
    """The names of the IANA zones; without the machine's own ("localtime"), whose meaning may change."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def weekday(day: date) -> int:
    """0 for Sunday to 6 for Saturday."""
    return day.isoweekday() % DAYS_PER_WEEK


def local_date(moment: datetime, timezone: str) -> date:
    """The date of an aware `moment` in a zone."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def to_utc(day: date, wall_time: str, timezone: str) -> datetime | None:
    """The moment (UTC) of a wall time ("HH:MM") on a local date; None if the zone skips the whole date.

    A time that the spring change skips becomes the first minute after the gap. A time that the autumn change
    repeats is its first occurrence.
    """
    zone = ZoneInfo(timezone)
    wall = datetime.combine(day, time.fromisoformat(wall_time))
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    after = _after_gap(wall, zone)
    # A move over the date line from west to east skips a whole date: neither side of the gap is on it.
    before = (after - timedelta(seconds=1)).astimezone(zone).date()
    return after if day in {before, after.astimezone(zone).date()} else None


def _after_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) after the gap that skips `wall`, by bisection between its two readings."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) > wall:
            after = middle
        else:
            before = middle
    return after
