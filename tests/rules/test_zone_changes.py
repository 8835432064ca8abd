"""A change of zone runs no date twice and leaves no gap above 36 hours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.thorough import examples

from puq_backups.rules import next_run
from puq_backups.rules.schedule import Day, Schedule, SlotTime

from .schedule_helpers import (
    CATCH_UP,
    HOUR,
    MINUTE,
    TOMORROW,
    anytime,
    at,
    clock,
    daily,
    only,
    read,
    weeks,
    zone_names,
)

NOON = "12:00"

CHANGE = "2026-11-22T23:00"


def moved(old: Schedule, new: Schedule, now: str = CHANGE, *, last: str = "2026-11-22T22:00") -> Schedule:
    """`new` as it is stored when it is saved over `old`, whose dates up to the 23rd have slots."""
    taken = {date(2026, 11, day) for day in range(1, 24)}
    since = next_run.effective_from(old, new, at(now), catch_up=CATCH_UP, taken=taken, made_today=False)
    return next_run.limit_zone_change_gap(old, new, at(now), since=since, taken=taken, last=at(last))


def moments(schedule: Schedule, now: str = CHANGE) -> list[datetime]:
    taken = {date(2026, 11, day) for day in range(1, 24)}
    return [slot.at for slot in next_run.upcoming(schedule, at(now), 4, taken=taken)]


def test_move_over_the_date_line_brings_slots_forward_until_they_are_at_their_times() -> None:
    """Kiritimati (+14) to Pago Pago (-11), an hour after the 23rd's slot at noon: else 49 hours to the 24th's."""
    found = moved(daily("Pacific/Kiritimati", NOON), daily("Pacific/Pago_Pago", NOON))

    assert moments(found) == [
        at("2026-11-24T10:00"), at("2026-11-25T22:00"), at("2026-11-26T23:00"), at("2026-11-27T23:00"),
    ]  # fmt: skip


def test_early_slot_survives_a_later_save_in_the_same_zone() -> None:
    found = moved(daily("Pacific/Kiritimati", NOON), daily("Pacific/Pago_Pago", NOON))
    sent = {f"time_{number}": NOON for number in range(7)} | {f"day_{number}": "1" for number in range(7)}

    again = read({**sent, "timezone": "Pacific/Pago_Pago"}, Schedule.from_json(found.to_json()))
    elsewhere = read({**sent, "timezone": "Asia/Tokyo"}, found)

    assert moments(again) == moments(found)
    assert elsewhere.early is None


def test_early_slot_holds_for_a_new_time_unless_that_is_sooner() -> None:
    found = moved(daily("Pacific/Kiritimati", NOON), daily("Pacific/Pago_Pago", NOON))
    night = Schedule(found.timezone, daily("UTC", "00:30").days, found.early)

    # The 24th 00:30 in Pago Pago is 11:30 UTC.
    assert moments(night)[:2] == [at("2026-11-24T10:00"), at("2026-11-25T11:30")]
    assert moments(Schedule("UTC", night.days, found.early))[0] == at("2026-11-24T00:30")


def test_slots_after_an_early_one_may_lie_as_far_apart_as_the_client_put_them() -> None:
    early = SlotTime(TOMORROW, at("2026-11-23T20:00"))
    days = tuple(Day(enabled=True, time="23:30" if number == 3 else "00:30") for number in range(7))

    # Wednesday is planned 47 hours after Tuesday, and comes 47 hours after the early one.
    assert moments(Schedule("UTC", days, early))[:2] == [at("2026-11-23T20:00"), at("2026-11-25T19:00")]


def test_early_slot_whose_day_is_switched_off_is_gone() -> None:
    found = moved(daily("Pacific/Kiritimati", NOON), daily("Pacific/Pago_Pago", NOON))
    without_tuesday = Schedule(found.timezone, tuple(Day(day != 2, NOON) for day in range(7)), found.early)

    assert moments(without_tuesday)[:2] == [at("2026-11-25T23:00"), at("2026-11-26T23:00")]


def test_move_of_a_few_hours_needs_no_early_slot() -> None:
    found = moved(
        daily("Asia/Tokyo", NOON), daily("Europe/Warsaw", NOON), "2026-11-23T04:00", last="2026-11-23T03:00"
    )

    assert found.early is None
    assert moments(found, "2026-11-23T04:00")[0] == at("2026-11-24T11:00")


def test_move_leaves_gaps_that_the_clients_own_times_make() -> None:
    """The client changed noon to 23:30, so the gap is not the zone's: no slot is brought forward."""
    found = moved(daily("Europe/Warsaw", NOON), daily("Europe/Berlin", "23:59"), last="2026-11-22T11:00")

    assert found.early is None


def test_move_leaves_slots_of_a_week_apart_at_their_times() -> None:
    assert moved(only(1, "Pacific/Kiritimati", NOON), only(1, "Pacific/Pago_Pago", NOON)).early is None
    # Tuesday is near in the old zone, and just past in the new one, where a week is to wait for it.
    old, new, now = only(2, "UTC", NOON), only(2, "Pacific/Kiritimati", NOON), "2026-11-24T11:00"
    assert moved(old, new, now, last="2026-11-23T12:00").early is None


def test_move_before_the_first_slot_needs_no_early_slot() -> None:
    old, new = daily("Pacific/Kiritimati", NOON), daily("Pacific/Pago_Pago", NOON)

    assert next_run.limit_zone_change_gap(old, new, at(CHANGE), since=at(CHANGE), taken=(), last=None) == new
    assert next_run.limit_zone_change_gap(None, new, at(CHANGE), since=at(CHANGE), taken=(), last=at(CHANGE)) == new


@dataclass
class Service:
    """What the application keeps of a service, and a clock that ticks at each slot's moment."""

    schedule: Schedule
    now: datetime
    catch_up: timedelta
    runs: list[tuple[SlotTime, datetime]] = field(default_factory=list)
    missed: list[SlotTime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.since = self.now

    @property
    def taken(self) -> set[date]:
        return {slot.date for slot, _ in self.runs} | {slot.date for slot in self.missed}

    @property
    def last(self) -> datetime | None:
        return max((slot.at for slot, _ in self.runs), default=None)

    def tick(self) -> None:
        found = next_run.due_slots(
            self.schedule, self.now, since=self.since, catch_up=self.catch_up, taken=self.taken
        )
        self.runs += [(found.run, self.now)] if found.run else []
        self.missed += found.missed
        self.since = self.now

    def wait(self, span: timedelta) -> None:
        end = self.now + span
        while (following := next_run.next_run(self.schedule, self.since, taken=self.taken)) and following[1] <= end:
            self.now = max(self.now, following[1])
            self.tick()
        self.now = end
        self.tick()

    def save(self, zone: str, days: tuple[Day, ...]) -> None:
        old, taken = self.schedule, self.taken
        sent = {f"day_{number}": day.enabled for number, day in enumerate(days)}
        sent |= {f"time_{number}": day.time for number, day in enumerate(days)}
        new = read({"timezone": zone, **sent}, old)
        self.since = next_run.effective_from(
            old, new, self.now, catch_up=self.catch_up, taken=taken, made_today=False
        )
        new = next_run.limit_zone_change_gap(old, new, self.now, since=self.since, taken=taken, last=self.last)
        self.schedule = Schedule.from_json(new.to_json())


MOVES = st.lists(st.tuples(st.integers(0, 4000), zone_names), min_size=1, max_size=12)


@pytest.mark.slow
@settings(max_examples=examples(10_000))
@given(zone_names, clock, MOVES, anytime, st.integers(0, 24))
@example("Pacific/Kiritimati", NOON, [(24 * 60 + 700, "Pacific/Pago_Pago")], at("2026-11-21T22:00"), 12)
@example(
    "Africa/Abidjan", "17:00",
    [(0, "Pacific/Kiritimati"), (0, "Pacific/Pago_Pago"), (726, "Pacific/Kiritimati"), (62, "Pacific/Pago_Pago")],
    at("2000-01-01T15:52"), 0,
)  # fmt: skip
@example("Pacific/Pago_Pago", "00:15", [(3000, "Pacific/Kiritimati"), (1430, "Pacific/Pago_Pago")], at(CHANGE), 0)
def test_moves_run_no_date_twice_and_leave_no_gap_over_36_hours(
    zone: str, time: str, moves: list[tuple[int, str]], start: datetime, catch_up: int
) -> None:
    service = Service(daily(zone, time), start, catch_up * HOUR)
    service.wait(2 * 24 * HOUR)
    for minutes, there in moves:
        service.wait(minutes * MINUTE)
        service.save(there, daily(there, time).days)
    service.wait(8 * 24 * HOUR)

    dates = [slot.date for slot, _ in service.runs]
    times = [moment for _, moment in service.runs]
    assert len(set(dates)) == len(dates)
    assert service.missed == []
    assert max(later - sooner for sooner, later in pairwise(times)) <= 36 * HOUR
    # A few days after the last move each date has its slot at its wall time again.
    plain = daily(service.schedule.timezone, time)
    assert [slot.at for slot, _ in service.runs[-3:]] == [next_run.slot_time(plain, day) for day in dates[-3:]]
    assert dates[-3:] == [dates[-1] - timedelta(days=back) for back in (2, 1, 0)]


@pytest.mark.slow
@settings(max_examples=examples(3000))
@given(zone_names, weeks, st.lists(st.tuples(st.integers(0, 4000), zone_names, weeks), max_size=12), anytime)
def test_saves_of_any_kind_run_no_date_twice_and_forget_none(
    zone: str, days: tuple[Day, ...], saves: list[tuple[int, str, tuple[Day, ...]]], start: datetime
) -> None:
    service = Service(Schedule(zone, days), start, CATCH_UP)
    for minutes, there, week in saves:
        service.wait(minutes * MINUTE)
        service.save(there, week)
    promised = next_run.upcoming(service.schedule, service.since, 3, taken=service.taken)
    assume(promised)
    service.wait(promised[-1].at - service.now if promised[-1].at > service.now else timedelta(0))

    dates = [slot.date for slot, _ in service.runs]
    assert len(set(dates)) == len(dates)
    assert service.missed == [] or min(service.now - slot.at for slot in service.missed) >= timedelta(0)
    assert {slot.date for slot in promised} <= service.taken
