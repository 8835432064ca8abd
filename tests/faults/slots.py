"""Rule 3: the slots that were due are computed here from what was saved, and compared with how they ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from .archives import file_of
from .history import State
from .run_record import Row, RunRecord

ENDED = {"done", "failed", "missed", "refused", "skipped", "cancelled"}
MARGIN = 3 * 3600.0
"""Seconds around a change of schedule, status or clock in which a slot may be claimed or not."""
ZONE_MARGIN = 4 * 86_400.0
"""The same around a change of zone, which moves slots so that no gap grows too long."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@cache
def due(day: date, wall_time: str, zone: str) -> float | None:
    """When a wall time of a date comes: the first minute of that date whose wall time is not earlier. In seconds.

    So a time that a spring change skips comes right after the gap, and of a repeated one the first pass counts.
    """
    info = ZoneInfo(zone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    for _ in range(60 * 54):
        local = moment.astimezone(info)
        if local.date() == day and f"{local:%H:%M}" >= wall_time:
            return moment.timestamp()
        moment += MINUTE
    return None


def planned(state: State, begin: float, end: float) -> Iterator[tuple[date, float]]:
    """The dates and times of a saved schedule between two times."""
    times = dict(state.days)
    day = datetime.fromtimestamp(begin, UTC).date() - DAY
    while day <= datetime.fromtimestamp(end, UTC).date() + DAY:
        wall_time = times.get(day.isoweekday() % 7)
        at = due(day, wall_time, state.zone) if wall_time else None
        if at is not None and begin <= at <= end:
            yield day, at
        day += DAY


def slots_end(record: RunRecord) -> Iterator[str]:
    """3. Each due slot ends, once, and as what it was."""
    for row in record.rows["operation"]:
        if row["state"] not in ENDED:
            what = f"{row['kind']} {row['id']} of service {row['service_id']}"
            yield f"3: {what} is still {row['state']} ({row['step']})"
        if row["slot_date"]:
            yield from wrongly_ended(record, row)
    for service_id in record.history.states:
        yield from _wrongly_claimed(record, service_id)


def wrongly_ended(record: RunRecord, slot: Row) -> Iterator[str]:
    """The ways in which a slot's end is not what became of it."""
    made = file_of(record, slot)
    name = f"slot {slot['slot_date']} of service {slot['service_id']}"
    if slot["state"] == "done" and made is None:
        yield f"3: {name} is done and made no archive"
    if slot["state"] in {"missed", "skipped"} and made is not None:
        yield f"3: {name} is {slot['state']} and made {made.volid}"
    if slot["state"] in ENDED - {"done", "cancelled"} and not slot["reason"]:
        yield f"3: {name} is {slot['state']} without a reason"


def _wrongly_claimed(record: RunRecord, service_id: str) -> Iterator[str]:
    slots = [row for row in record.rows["operation"] if row["service_id"] == service_id and row["slot_date"]]
    seen = Counter(row["slot_date"] for row in slots)
    for day, count in seen.items():
        if count > 1:
            yield f"3: service {service_id} has {count} slots on {day}"
    wanted = dict(_certain(record, service_id))
    for day, at in sorted(wanted.items()):
        if day.isoformat() not in seen:
            yield f"3: service {service_id} has no slot on {day}, which was due at {at:.0f}"
    possible: dict[str, list[float]] = defaultdict(list)
    for day, at in _possible(record, service_id):
        possible[day.isoformat()].append(at)
    zones = [begin for begin, _ in _zone_changes(record, service_id)]
    for row in slots:
        named = possible[row["slot_date"]]
        told = datetime.fromisoformat(str(row["due_at"])).replace(tzinfo=UTC).timestamp()
        moved = any(begin - DAY.total_seconds() <= told <= begin + ZONE_MARGIN for begin in zones)
        if not named:
            yield f"3: service {service_id} has a slot on {row['slot_date']}, which no schedule names"
        elif not moved and min(abs(told - at) for at in named) > 1:
            yield f"3: slot {row['slot_date']} of service {service_id} was due at {told:.0f}, not at {named}"


def _certain(record: RunRecord, service_id: str) -> Iterator[tuple[date, float]]:
    """The slots that were due while nothing was changed for a while before and after."""
    zones = [begin for begin, _ in _zone_changes(record, service_id)]
    for state, until in record.history.changes(service_id):
        if state.status != "active":
            continue
        for day, at in planned(state, state.at + MARGIN, min(until, record.ended_at) - MARGIN):
            if not any(begin - DAY.total_seconds() <= at <= begin + ZONE_MARGIN for begin in zones):
                yield day, at


def _possible(record: RunRecord, service_id: str) -> Iterator[tuple[date, float]]:
    """The slots that may have been claimed: of any schedule, a day around the time for which it was saved."""
    wide = DAY.total_seconds()
    for state, until in record.history.changes(service_id):
        yield from planned(state, state.at - wide, min(until, record.ended_at) + wide)


def _zone_changes(record: RunRecord, service_id: str) -> Iterator[tuple[float, str]]:
    before = ""
    for state, _ in record.history.changes(service_id):
        if before and state.zone != before:
            yield state.at, state.zone
        before = state.zone
