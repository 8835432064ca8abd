"""When backups are due: wall times and weekdays of an IANA zone. Weekday 0 is Sunday. Values in, values out."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from ..errors import BadInput

DAYS_PER_WEEK = 7
UNCHECKED = {"", "0", "off", "false", "no", "none"}
LOOK_AHEAD_DAYS = 28
LONGEST_GAP = timedelta(hours=36)
# Between the ends of the world's zones, -12 and +14.
ZONE_SPAN = timedelta(hours=26)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Day:
    """One weekday: whether a backup is made, and at which wall time (HH:MM, or "" where never set)."""

    enabled: bool = False
    time: str = ""


@dataclass(frozen=True)
class SlotTime:
    """A slot: its local date, and the moment (UTC) it is due."""

    date: date
    at: datetime


@dataclass(frozen=True)
class Schedule:
    """Seven days, Sunday first, in one zone. `early` is the slot that a change of zone brought forward."""

    timezone: str
    days: tuple[Day, ...]
    early: SlotTime | None = None

    @classmethod
    def empty(cls, timezone: str) -> Schedule:
        """No day enabled."""
        return cls(timezone, (Day(),) * DAYS_PER_WEEK)

    def to_json(self) -> dict[str, Any]:
        """`timezone` and `days` ({day, enabled, time}); `early` ({date, at}) only where there is one."""
        days = [{"day": number, "enabled": day.enabled, "time": day.time} for number, day in enumerate(self.days)]
        early = self.early and {"date": self.early.date.isoformat(), "at": self.early.at.isoformat()}
        return {"timezone": self.timezone, "days": days} | ({"early": early} if early else {})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Schedule:
        """What `to_json` gave."""
        by_number = sorted(stored["days"], key=lambda day: int(day["day"]))
        days = tuple(Day(day["enabled"], day["time"]) for day in by_number)
        early = stored.get("early")
        if early:
            early = SlotTime(date.fromisoformat(early["date"]), datetime.fromisoformat(early["at"]))
        return cls(stored["timezone"], days, early or None)


@dataclass(frozen=True)
class DueSlots:
    """What has come due: the slot that runs, and those that were missed."""

    run: SlotTime | None = None
    missed: list[SlotTime] = field(default_factory=list)


@cache
def zones() -> frozenset[str]:
    """The names of the IANA zones; not the machine's own ("localtime"), whose meaning may change."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def read_form(form: Mapping[str, Any], *, default_timezone: str, before: Schedule | None = None) -> Schedule:
    """The schedule of a form's `day_N`, `time_N`, `timezone`. BadInput names the wrong field.

    A disabled day whose time is not sent keeps the one before. An empty zone is the default; one that is not
    sent stays as before.
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
    # Browsers add the seconds to a time that was set to whole minutes by a script.
    match = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:00(\.0+)?)?", raw)
    if raw and not match:
        raise BadInput(name, "{value} is not a time of day; write it as HH:MM, from 00:00 to 23:59.", value=raw)
    if enabled and not match:
        raise BadInput(name, "A day that is enabled needs a time.")
    return Day(enabled, f"{int(match[1]):02}:{match[2]}" if match else "")


def weekday(day: date) -> int:
    """0 for Sunday to 6 for Saturday."""
    return day.isoweekday() % DAYS_PER_WEEK


def local_date(moment: datetime, timezone: str) -> date:
    """The date that `moment` falls on in a zone."""
    return moment.astimezone(ZoneInfo(timezone)).date()


def slot_time(schedule: Schedule, day: date) -> datetime | None:
    """The moment (UTC) of that local date's slot, None where its weekday is off or the zone skips the date.

    A time that the spring change skips becomes the first minute after the gap; one that the autumn change
    repeats is meant on its first pass. After a change of zone slots may be brought forward (see `bridge`).
    """
    at, early = wall_time(schedule, day), schedule.early
    return at if at is None or early is None or day < early.date else _brought_forward(schedule, early, day, at)


def wall_time(schedule: Schedule, day: date) -> datetime | None:
    planned = schedule.days[weekday(day)]
    if not planned.enabled:
        return None
    zone = ZoneInfo(schedule.timezone)
    wall = datetime.combine(day, time.fromisoformat(planned.time))
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if found.astimezone(zone).replace(tzinfo=None) == wall:
        return found
    after = _after_gap(wall, zone)
    # West to east over the date line a whole date is skipped: it has no slot.
    before = (after - timedelta(seconds=1)).astimezone(zone).date()
    return after if day in {before, after.astimezone(zone).date()} else None


def _after_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clock jumps over `wall`, found by halving between both readings of it."""
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) > wall:
            after = middle
        else:
            before = middle
    return after


def _brought_forward(schedule: Schedule, early: SlotTime, day: date, at: datetime) -> datetime:
    """Follow the slots from the early one: each at most 36 hours after the one before, until all is as planned."""
    reached, planned = early.date, wall_time(schedule, early.date)
    moment = planned and min(planned, early.at)
    while planned and moment and moment < planned and reached < day:
        reached += ONE_DAY
        following = wall_time(schedule, reached)
        # Where the client's own times lie further apart than 36 hours, they stay so.
        moment = following and min(following, moment + max(LONGEST_GAP, following - planned))
        planned = following
    return moment if moment and reached == day else at


def _slots(schedule: Schedule, after: datetime, last: date) -> Iterator[SlotTime]:
    """The slots after a moment. One that is brought forward runs up to two dates before its own."""
    day = local_date(after, schedule.timezone)
    while day <= last:
        at = slot_time(schedule, day)
        if at is not None and at > after:
            yield SlotTime(day, at)
        day += ONE_DAY


def _is_taken(day: date, taken: Container[date]) -> bool:
    """Whether that date, or one after it, has a slot: after a move east and back a date is not caught up on."""
    return any(day + ahead * ONE_DAY in taken for ahead in range(4))


def next_run(schedule: Schedule, after: datetime, *, taken: Container[date] = ()) -> tuple[date, datetime] | None:
    """The first slot after the moment `after` whose date has no slot yet."""
    last = local_date(after, schedule.timezone) + LOOK_AHEAD_DAYS * ONE_DAY
    return next(
        ((slot.date, slot.at) for slot in _slots(schedule, after, last) if not _is_taken(slot.date, taken)), None
    )


def upcoming(schedule: Schedule, after: datetime, count: int, *, taken: Container[date] = ()) -> list[SlotTime]:
    """The next `count` slots after a moment whose dates have no slot yet."""
    last = local_date(after, schedule.timezone) + (LOOK_AHEAD_DAYS + DAYS_PER_WEEK * count) * ONE_DAY
    return list(islice((slot for slot in _slots(schedule, after, last) if not _is_taken(slot.date, taken)), count))


def due_slots(
    schedule: Schedule, now: datetime, *, since: datetime, catch_up: timedelta, taken: Container[date] = ()
) -> DueSlots:
    """The slots of (since, now] without a record: the newest inside `catch_up` runs, all others were missed."""
    last = local_date(now, schedule.timezone) + 2 * ONE_DAY
    found = [slot for slot in _slots(schedule, since, last) if slot.at <= now and not _is_taken(slot.date, taken)]
    if found and now - found[-1].at <= catch_up:
        return DueSlots(found[-1], found[:-1])
    return DueSlots(None, found)


def effective_from(
    old: Schedule | None, new: Schedule, now: datetime, *,
    catch_up: timedelta, taken: Container[date], made_today: bool,
) -> datetime:  # fmt: skip
    """The moment after which the saved schedule's slots count. What is due under `old` must have been claimed.

    A new or changed time that is past today makes today's slot due at once, if it is inside the catch-up, today
    has no slot yet and nothing was made today. An unchanged time never fires again. Today is that of the new
    zone; a change of zone that moves the moment is a change.
    """
    today = local_date(now, new.timezone)
    at = slot_time(new, today)
    if at is None or at > now or now - at > catch_up or made_today or _is_taken(today, taken):
        return now
    before = slot_time(old, today) if old else None
    return now if before == at else at - timedelta(microseconds=1)


def limit_zone_change_gap(
    old: Schedule | None, new: Schedule, now: datetime, *,
    since: datetime, taken: Container[date], last: datetime | None,
) -> Schedule:  # fmt: skip
    """`new`, with its next slot brought forward where the change of zone alone would open more than 36 hours.

    `since` is what `on_save` answered, `last` the due time of the service's newest slot. Dates that have a slot
    are not run again, so a move west can leave up to 49 hours; the following slots then come every 36 hours
    until they are at their wall times again.
    """
    if old is None or last is None or old.timezone == new.timezone:
        return new
    new = replace(new, early=None)
    stayed, moved = next_run(replace(old, days=new.days), now, taken=taken), next_run(new, since, taken=taken)
    limit = last + LONGEST_GAP
    if stayed and moved and stayed[1] <= limit < moved[1] <= limit + ZONE_SPAN:
        return replace(new, early=SlotTime(moved[0], limit))
    return new
