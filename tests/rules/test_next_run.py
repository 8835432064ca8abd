"""The next slots, and which are due, late or missed."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from support.thorough import examples

from puq_backups.rules import next_run
from puq_backups.rules.schedule import Day, Schedule, SlotTime

from .schedule_helpers import CATCH_UP, HOUR, TODAY, TOMORROW, anytime, at, daily, only, weeks, zone_names


def test_next_run_is_strictly_after() -> None:
    schedule = daily("UTC", "02:00")

    assert next_run.next_run(schedule, at("2026-11-23T01:59")) == (date(2026, 11, 23), at("2026-11-23T02:00"))
    assert next_run.next_run(schedule, at("2026-11-23T02:00")) == (date(2026, 11, 24), at("2026-11-24T02:00"))


def test_next_run_passes_over_dates_that_have_a_slot() -> None:
    taken = {date(2026, 11, 23), date(2026, 11, 24)}

    assert next_run.next_run(daily("UTC", "02:00"), at("2026-11-23T00:00"), taken=taken) == (
        date(2026, 11, 25), at("2026-11-25T02:00"),
    )  # fmt: skip


def test_next_run_of_a_single_weekday_is_a_week_away() -> None:
    schedule = only(1, "Asia/Tokyo", "00:00")

    # Monday 23 November 00:00 in Tokyo is still Sunday in UTC.
    assert next_run.next_run(schedule, at("2026-11-22T15:00")) == (date(2026, 11, 30), at("2026-11-29T15:00"))


def test_next_run_without_an_enabled_day_is_none() -> None:
    assert next_run.next_run(Schedule.empty("UTC"), at("2026-11-23T00:00")) is None


@given(zone_names, weeks, anytime)
def test_next_run_is_the_first_of_the_upcoming(zone: str, days: tuple[Day, ...], after: datetime) -> None:
    schedule = Schedule(zone, days)
    coming = next_run.upcoming(schedule, after, 10)

    assert len(coming) == (10 if any(day.enabled for day in days) else 0)
    assert [slot.at for slot in coming] == sorted(slot.at for slot in coming)
    assert all(slot.at > after for slot in coming)
    assert next_run.next_run(schedule, after) == next(((slot.date, slot.at) for slot in coming), None)


def test_upcoming_passes_over_dates_that_have_a_slot() -> None:
    found = next_run.upcoming(daily("UTC", "02:00"), at("2026-11-23T00:00"), 2, taken={date(2026, 11, 23)})

    assert [slot.date.day for slot in found] == [24, 25]


def test_due_slot_runs() -> None:
    found = next_run.due_slots(
        daily("UTC", "02:00"), at("2026-11-23T02:00"), since=at("2026-11-22T12:00"), catch_up=CATCH_UP
    )

    assert found.run == SlotTime(date(2026, 11, 23), at("2026-11-23T02:00"))
    assert found.missed == []


def test_late_slot_runs_past_midnight_up_to_the_catch_up() -> None:
    schedule, since = only(0, "UTC", "20:00"), at("2026-11-22T12:00")

    def due(moment: str) -> next_run.DueSlots:
        return next_run.due_slots(schedule, at(moment), since=since, catch_up=CATCH_UP)

    slot = SlotTime(date(2026, 11, 22), at("2026-11-22T20:00"))
    assert due("2026-11-23T08:00") == next_run.DueSlots(slot, [])
    assert due("2026-11-23T08:01") == next_run.DueSlots(None, [slot])


def test_outage_of_days_gives_one_late_run_and_records_the_others_as_missed() -> None:
    found = next_run.due_slots(
        daily("UTC", "02:00"), at("2026-11-23T05:00"), since=at("2026-11-19T12:00"), catch_up=CATCH_UP
    )

    assert found.run is not None
    assert found.run.date == date(2026, 11, 23)
    assert [slot.date.day for slot in found.missed] == [20, 21, 22]


def test_two_slots_inside_the_catch_up_give_one_run() -> None:
    schedule = Schedule("UTC", (Day(enabled=True, time="23:30"), Day(enabled=True, time="00:30"), *[Day()] * 5))
    found = next_run.due_slots(schedule, at("2026-11-23T01:00"), since=at("2026-11-22T12:00"), catch_up=CATCH_UP)

    assert found.run is not None
    assert found.run.date == date(2026, 11, 23)
    assert [slot.date for slot in found.missed] == [date(2026, 11, 22)]


def test_due_passes_over_dates_that_have_a_slot() -> None:
    found = next_run.due_slots(
        daily("UTC", "02:00"), at("2026-11-23T02:00"), since=at("2026-11-20T12:00"), catch_up=CATCH_UP,
        taken={date(2026, 11, 22)},
    )  # fmt: skip

    assert found == next_run.DueSlots(SlotTime(TODAY, at("2026-11-23T02:00")), [])


def test_date_before_one_that_has_a_slot_is_past() -> None:
    """Tomorrow has run in the far east, and the client is back in the west: today is not made up for."""
    schedule, now, taken = daily("UTC", "14:00"), at("2026-11-23T13:00"), {date(2026, 11, 22), TOMORROW}

    assert next_run.next_run(schedule, now, taken=taken) == (date(2026, 11, 25), at("2026-11-25T14:00"))
    assert (
        next_run.due_slots(schedule, now + 2 * HOUR, since=now, catch_up=CATCH_UP, taken=taken) == next_run.DueSlots()
    )


@settings(max_examples=examples(2000))
@given(
    zone_names, weeks, st.lists(st.integers(1, 60 * 60), min_size=1, max_size=60),
    anytime, st.integers(0, 48),
)  # fmt: skip
def test_each_slot_is_due_once_however_the_ticks_fall(
    zone: str, days: tuple[Day, ...], waits: list[int], start: datetime, catch_up: int
) -> None:
    schedule, since, taken = Schedule(zone, days), start, set[date]()
    recorded: list[SlotTime] = []
    for wait in waits:
        now = since + timedelta(minutes=wait)
        found = next_run.due_slots(schedule, now, since=since, catch_up=catch_up * HOUR, taken=taken)
        assert not found.run or now - found.run.at <= catch_up * HOUR
        recorded += [*found.missed, *([found.run] if found.run else [])]
        taken, since = {slot.date for slot in recorded}, now

    assert recorded == [slot for slot in next_run.upcoming(schedule, start, 400) if slot.at <= since]
