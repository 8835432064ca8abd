"""When backups are due: wall times and weekdays of an IANA zone. Weekday 0 is Sunday. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from .errors import BadInput

DAYS = 7
OFF = {"", "0", "off", "false", "no"}
LOOK_AHEAD = 21
NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


@dataclass(frozen=True)
class Day:
    """One weekday: whether a backup is made, and at which wall time (HH:MM, or "" where never set)."""

    enabled: bool = False
    time: str = ""


@dataclass(frozen=True)
class Schedule:
    """Seven days, Sunday first, in one zone."""

    timezone: str
    days: tuple[Day, ...]

    @classmethod
    def empty(cls, timezone: str) -> Schedule:
        """No day enabled."""
        return cls(timezone, (Day(),) * DAYS)

    def to_json(self) -> dict[str, Any]:
        days = [{"day": number, "enabled": day.enabled, "time": day.time} for number, day in enumerate(self.days)]
        return {"timezone": self.timezone, "days": days}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Schedule:
        return cls(stored["timezone"], tuple(Day(day["enabled"], day["time"]) for day in stored["days"]))


@dataclass(frozen=True)
class SlotTime:
    """A slot: its local date, and the moment (UTC) it is due."""

    date: date
    at: datetime


@dataclass(frozen=True)
class Due:
    """What has come due: the slot that runs, and those that were missed."""

    run: SlotTime | None = None
    missed: list[SlotTime] = field(default_factory=list)


def read(form: Mapping[str, Any], *, default_timezone: str, before: Schedule | None = None) -> Schedule:
    """The schedule of a form's `day_N`, `time_N`, `timezone`. BadInput names the wrong field.

    A disabled day keeps its time; an empty zone is the one before, else the default.
    """
    for name in form:
        match = re.fullmatch(r"(day|time)_(.*)", str(name))
        if match and match[2] not in {str(number) for number in range(DAYS)}:
            raise BadInput(str(name), "There is no weekday {day}: weekdays go from 0 (Sunday) to 6.", day=match[2])
    zone = str(form.get("timezone") or "").strip() or (before.timezone if before else default_timezone)
    if zone not in available_timezones():
        raise BadInput("timezone", "There is no time zone {zone}.", zone=zone)
    return Schedule(zone, tuple(_day(form, number, before) for number in range(DAYS)))


def _day(form: Mapping[str, Any], number: int, before: Schedule | None) -> Day:
    enabled = str(form.get(f"day_{number}", "")).strip().lower() not in OFF
    raw = str(form.get(f"time_{number}") or "").strip()
    if not raw and not enabled and before is not None and f"time_{number}" not in form:
        raw = before.days[number].time
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)(:[0-5]\d)?", raw)
    if raw and not match:
        raise BadInput(
            f"time_{number}", "{value} is not a time of day; write it as HH:MM, from 00:00 to 23:59.", value=raw
        )
    if enabled and not match:
        raise BadInput(f"time_{number}", "{day} is enabled and needs a time.", day=NAMES[number])
    return Day(enabled, f"{int(match[1]):02}:{match[2]}" if match else "")


def weekday(day: date) -> int:
    """0 for Sunday to 6 for Saturday."""
    return day.isoweekday() % DAYS


def local_date(moment: datetime, timezone: str) -> date:
    """The date that `moment` falls on in a zone."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def slot_time(schedule: Schedule, day: date) -> datetime | None:
    """The moment (UTC) of that local date's slot, None where its weekday is off.

    A time that the spring change skips becomes the first minute after the gap; one that the autumn change
    repeats is meant on its first pass.
    """
    planned = schedule.days[weekday(day)]
    if not planned.enabled:
        return None
    zone = ZoneInfo(schedule.timezone)
    hours, minutes = planned.time.split(":")
    wall = datetime.combine(day, time(int(hours), int(minutes)))
    found = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    return _after_gap(wall, zone)


def _after_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first minute after the gap in which `wall` would lie; found by halving between both readings of it."""
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    late = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while late - early > timedelta(minutes=1):
        middle = early + (late - early) // 2
        middle = middle.replace(second=0, microsecond=0)
        if middle <= early:
            break
        if middle.astimezone(zone).replace(tzinfo=None) > wall:
            late = middle
        else:
            early = middle
    return late


def _slots(schedule: Schedule, first: date, last: date) -> Iterator[SlotTime]:
    day = first
    while day <= last:
        at = slot_time(schedule, day)
        if at is not None:
            yield SlotTime(day, at)
        day += timedelta(days=1)


def next_run(
    schedule: Schedule, after: datetime, *, taken: Container[date] = ()
) -> tuple[date, datetime] | None:
    """The first slot after the moment `after` whose date has no slot yet."""
    first = local_date(after, schedule.timezone) - timedelta(days=1)
    for slot in _slots(schedule, first, first + timedelta(days=LOOK_AHEAD)):
        if slot.at > after and slot.date not in taken:
            return slot.date, slot.at
    return None


def upcoming(schedule: Schedule, after: datetime, count: int) -> list[SlotTime]:
    """The next `count` slots after a moment."""
    first = local_date(after, schedule.timezone) - timedelta(days=1)
    slots = _slots(schedule, first, first + timedelta(days=DAYS * (count + 2)))
    return [slot for slot in slots if slot.at > after][:count]


def due(
    schedule: Schedule, now: datetime, *, since: datetime, catch_up: timedelta, taken: Container[date] = ()
) -> Due:
    """The slots of (since, now] without a record: the newest inside `catch_up` runs, all others were missed."""
    first = local_date(since, schedule.timezone) - timedelta(days=1)
    last = local_date(now, schedule.timezone) + timedelta(days=1)
    found = [slot for slot in _slots(schedule, first, last) if since < slot.at <= now and slot.date not in taken]
    if found and now - found[-1].at <= catch_up:
        return Due(found[-1], found[:-1])
    return Due(None, found)


def on_save(  # noqa: PLR0913 - the state of things at a save
    old: Schedule | None, new: Schedule, now: datetime, *,
    catch_up: timedelta, taken: Container[date], made_today: bool,
) -> datetime:  # fmt: skip
    """The moment after which the saved schedule's slots count.

    A new or changed time that is past today makes today's slot due at once, if it is inside the catch-up, today
    has no slot yet and nothing was made today. An unchanged time never fires again.
    """
    today = local_date(now, new.timezone)
    at = slot_time(new, today)
    if at is None or at > now or now - at > catch_up or today in taken or made_today:
        return now
    before = slot_time(old, today) if old else None
    return now if before == at else at - timedelta(microseconds=1)
