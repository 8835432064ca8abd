"""Schedules of one or all days, and Hypothesis strategies for times, weeks and zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from puq_backups.rules import wall_time
from puq_backups.rules.schedule import Day, Schedule, read_form

ZONES = sorted(wall_time.zones())

FAR = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Pacific/Apia", "Pacific/Chatham", "Europe/Warsaw", "Asia/Kolkata")

CATCH_UP = timedelta(hours=12)

HOUR = timedelta(hours=1)

TODAY, TOMORROW = date(2026, 11, 23), date(2026, 11, 24)

MINUTE = timedelta(minutes=1)

clock = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))

zone_names = st.one_of(st.sampled_from(FAR), st.sampled_from(ZONES))

anytime = st.integers(0, 36 * 366 * 24 * 60).map(lambda minutes: at("2000-01-01") + minutes * MINUTE)

weeks = st.tuples(*[st.builds(Day, st.booleans(), clock)] * 7)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(zone: str, time: str) -> Schedule:
    return Schedule(zone, (Day(enabled=True, time=time),) * 7)


def only(number: int, zone: str, time: str) -> Schedule:
    return Schedule(zone, tuple(Day(enabled=day == number, time=time) for day in range(7)))


def read(fields: dict[str, Any], before: Schedule | None = None) -> Schedule:
    return read_form(fields, default_timezone="UTC", before=before)
