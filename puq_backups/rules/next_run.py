"""Computes when the slots of a schedule are due: the next run, overdue and missed slots, changed schedules."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice

from .schedule import Schedule, SlotTime
from .wall_time import DAYS_PER_WEEK, local_date, to_utc, weekday

LOOK_AHEAD_DAYS = 28
LONGEST_GAP = timedelta(hours=36)
ZONE_SPAN = timedelta(hours=26)
"""Distance between the outermost zones, UTC-12 and UTC+14."""
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DueSlots:
    """The slots that are due: `run` is made now, `missed` are recorded as missed."""

    run: SlotTime | None = None
    missed: list[SlotTime] = field(default_factory=list)


def slot_time(schedule: Schedule, day: date) -> datetime | None:
    """The due time (UTC) of the slot of a local date; None if its weekday is off or the zone skips the date.

    Clock changes are handled by `wall_time.to_utc`. After a change of zone, slots may be brought forward (see
    `limit_zone_change_gap`).
    """
    at, early = _planned_time(schedule, day), schedule.early
    return at if at is None or early is None or day < early.date else _brought_forward(schedule, early, day, at)


def _planned_time(schedule: Schedule, day: date) -> datetime | None:
    planned = schedule.days[weekday(day)]
    return to_utc(day, planned.time, schedule.timezone) if planned.enabled else None


def _brought_forward(schedule: Schedule, early: SlotTime, day: date, at: datetime) -> datetime:
    """The due time of a slot on or after the early one.

    Each slot is due at most 36 hours after the one before, until the slots are at their planned times again.
    """
    reached, planned = early.date, _planned_time(schedule, early.date)
    moment = planned and min(planned, early.at)
    while planned and moment and moment < planned and reached < day:
        reached += ONE_DAY
        following = _planned_time(schedule, reached)
        # A longer gap that the client's own times make is kept.
        moment = following and min(following, moment + max(LONGEST_GAP, following - planned))
        planned = following
    return moment if moment and reached == day else at


def _slots(schedule: Schedule, after: datetime, last: date) -> Iterator[SlotTime]:
    """The slots that are due after `after`, up to the local date `last`."""
    day = local_date(after, schedule.timezone)
    while day <= last:
        at = slot_time(schedule, day)
        if at is not None and at > after:
            yield SlotTime(day, at)
        day += ONE_DAY


def _is_taken(day: date, taken: Container[date]) -> bool:
    """Whether that date, or one of the three after it, has a slot.

    After a move east and back, a date before one that has a slot is not made up for.
    """
    return any(day + ahead * ONE_DAY in taken for ahead in range(4))


def next_run(schedule: Schedule, after: datetime, *, taken: Container[date] = ()) -> tuple[date, datetime] | None:
    """The first slot that is due after `after` and whose date is not in `taken`: (local date, due time in UTC)."""
    last = local_date(after, schedule.timezone) + LOOK_AHEAD_DAYS * ONE_DAY
    return next(
        ((slot.date, slot.at) for slot in _slots(schedule, after, last) if not _is_taken(slot.date, taken)), None
    )


def upcoming(schedule: Schedule, after: datetime, count: int, *, taken: Container[date] = ()) -> list[SlotTime]:
    """The next `count` slots that are due after `after` and whose dates are not in `taken`."""
    last = local_date(after, schedule.timezone) + (LOOK_AHEAD_DAYS + DAYS_PER_WEEK * count) * ONE_DAY
    return list(islice((slot for slot in _slots(schedule, after, last) if not _is_taken(slot.date, taken)), count))


def due_slots(
    schedule: Schedule, now: datetime, *, since: datetime, catch_up: timedelta, taken: Container[date] = ()
) -> DueSlots:
    """The slots due in (since, now] whose dates are not in `taken`.

    The newest one runs if it is not older than `catch_up`; all others are missed.
    """
    last = local_date(now, schedule.timezone) + 2 * ONE_DAY
    found = [slot for slot in _slots(schedule, since, last) if slot.at <= now and not _is_taken(slot.date, taken)]
    if found and now - found[-1].at <= catch_up:
        return DueSlots(found[-1], found[:-1])
    return DueSlots(None, found)


def effective_from(
    old: Schedule | None, new: Schedule, now: datetime, *,
    catch_up: timedelta, taken: Container[date], made_today: bool,
) -> datetime:  # fmt: skip
    """The moment after which the slots of a newly saved schedule count.

    Slots due under `old` must have been claimed before. A new or changed time of today that is already past makes
    today's slot due at once, if it is inside `catch_up`, today has no slot and no backup was made today
    (`made_today`). An unchanged time is not due again. "Today" is a date of the new zone; a zone change that moves
    the due time counts as a change.
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
    """`new`, with its next slot brought forward if the zone change alone would leave a gap of more than 36 hours.

    `since` is the result of `effective_from`, `last` the due time of the service's newest slot. A date that has a
    slot is not run again, so a move west can leave up to 49 hours. The slots then follow each other after at most
    36 hours until they are at their wall times again.
    """
    if old is None or last is None or old.timezone == new.timezone:
        return new
    new = replace(new, early=None)
    unmoved = replace(old, days=new.days)
    stayed, moved = next_run(unmoved, now, taken=taken), next_run(new, since, taken=taken)
    limit = last + LONGEST_GAP
    if stayed is None or moved is None or not stayed[1] <= limit < moved[1]:
        return new
    # A slot that an earlier move brought forward is compared by its wall time: that is what the zones are apart from.
    if moved[1] - max(limit, _planned_time(unmoved, stayed[0]) or limit) > ZONE_SPAN:
        return new
    return replace(new, early=SlotTime(moved[0], limit))
