"""A weekly backup schedule, and how it is read from a form. Weekday 0 is Sunday."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..errors import BadInput
from .wall_time import DAYS_PER_WEEK, zones

UNCHECKED = {"", "0", "off", "false", "no", "none"}


@dataclass(frozen=True)
class Day:
    """One weekday. `time` is a wall time ("HH:MM"), or "" if it was never set."""

    enabled: bool = False
    time: str = ""


@dataclass(frozen=True)
class SlotTime:
    """A slot: its local date and its due time (UTC)."""

    date: date
    at: datetime


@dataclass(frozen=True)
class Schedule:
    """Seven days, Sunday first, in one time zone. `early` is the slot that a zone change brought forward, if any."""

    timezone: str
    days: tuple[Day, ...]
    early: SlotTime | None = None

    @classmethod
    def empty(cls, timezone: str) -> Schedule:
        """A schedule in `timezone` with no day enabled."""
        return cls(timezone, (Day(),) * DAYS_PER_WEEK)

    def to_json(self) -> dict[str, Any]:
        """A dict of `timezone`, `days` ({day, enabled, time}) and, if set, `early` ({date, at})."""
        days = [{"day": number, "enabled": day.enabled, "time": day.time} for number, day in enumerate(self.days)]
        early = self.early and {"date": self.early.date.isoformat(), "at": self.early.at.isoformat()}
        return {"timezone": self.timezone, "days": days} | ({"early": early} if early else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Schedule:
        """The schedule from the result of `to_json`."""
        by_number = sorted(stored["days"], key=lambda day: int(day["day"]))
        days = tuple(Day(day["enabled"], day["time"]) for day in by_number)
        early = stored.get("early")
        if early:
            early = SlotTime(date.fromisoformat(early["date"]), datetime.fromisoformat(early["at"]))
        return cls(stored["timezone"], days, early or None)


def read_form(form: Mapping[str, Any], *, default_timezone: str, before: Schedule | None = None) -> Schedule:
    """Read the schedule from the form fields `day_0` to `day_6`, `time_0` to `time_6` and `timezone`.

    `before` is the saved schedule. A disabled day without a time field keeps its saved time. A missing `timezone`
    field keeps the saved zone; an empty one means `default_timezone`. Raises BadInput with the name of the field.
    """
    for name in form:
        match = re.fullmatch(r"(day|time)_(.*)", str(name), re.DOTALL)
        if match and match[2] not in {str(number) for number in range(DAYS_PER_WEEK)}:
            raise BadInput(str(name), "There is no weekday {day}: weekdays go from 0 (Sunday) to 6.", day=match[2])
    unsent = before.timezone if before else default_timezone
    zone = str(form.get("timezone", unsent) or "").strip() or default_timezone
    if zone not in zones():
        raise BadInput("timezone", "There is no time zone {zone}.", zone=zone)
    early = before.early if before and before.timezone == zone else None
    return Schedule(zone, tuple(_day(form, number, before) for number in range(DAYS_PER_WEEK)), early)


def _day(form: Mapping[str, Any], number: int, before: Schedule | None) -> Day:
    name = f"time_{number}"
    enabled = str(form.get(f"day_{number}", "")).strip().lower() not in UNCHECKED
    if not enabled and before and name not in form:
        return Day(enabled=False, time=before.days[number].time)
    raw = str(form.get(name) or "").strip()
    # Browsers add seconds to a time that a script set.
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:00(\.0+)?)?", raw)
    if raw and not match:
        raise BadInput(name, "{value} is not a time of day; write it as HH:MM, from 00:00 to 23:59.", value=raw)
    if enabled and not match:
        raise BadInput(name, "Enter a time.")
    return Day(enabled, f"{int(match[1]):02}:{match[2]}" if match else "")
