"""Schedules, clock changes and due slots, in every zone and at its clock changes.

The oracle reads the wall clock minute by minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from support.thorough import examples

from puq_backups.errors import BadInput
from puq_backups.rules import next_run, wall_time
from puq_backups.rules.schedule import Day, Schedule, SlotTime, read_form

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


def form(**fields: Any) -> dict[str, Any]:
    return {"timezone": "Europe/Warsaw", **fields}


def read(fields: dict[str, Any], before: Schedule | None = None) -> Schedule:
    return read_form(fields, default_timezone="UTC", before=before)


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


# --- the form


def test_read_takes_days_times_and_zone() -> None:
    found = read(form(day_0="1", time_0="02:30", day_6="on", time_6="7:05", time_3="23:59"))

    assert found.timezone == "Europe/Warsaw"
    assert found.days[0] == Day(enabled=True, time="02:30")
    assert found.days[6] == Day(enabled=True, time="07:05")
    assert found.days[3] == Day(enabled=False, time="23:59")
    assert found.days[1] == Day(enabled=False, time="")


@pytest.mark.parametrize("off", ["", "0", "off", "Off", "false", "no", 0, False, None])
def test_read_takes_words_for_no_as_a_disabled_day(off: object) -> None:
    assert not read(form(day_2=off, time_2="02:00")).days[2].enabled


@pytest.mark.parametrize("on", ["1", "on", "true", "yes", 1, True])
def test_read_takes_a_ticked_box_as_an_enabled_day(on: object) -> None:
    assert read(form(day_2=on, time_2="02:00")).days[2].enabled


@pytest.mark.parametrize("time", ["02:00:00", "02:00:00.000", " 2:00 "])
def test_read_takes_what_browsers_make_of_a_time(time: str) -> None:
    assert read(form(day_2="1", time_2=time)).days[2].time == "02:00"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"day_7": "1"}, "day_7"),
        ({"day_x": "1"}, "day_x"),
        ({"day_": "1"}, "day_"),
        ({"day_01": "1"}, "day_01"),
        ({"day_\n1": "1"}, "day_\n1"),
        ({"time_9": "02:00"}, "time_9"),
        ({"day_1": "1", "time_1": "25:61"}, "time_1"),
        ({"time_1": "25:61"}, "time_1"),
        ({"time_1": "24:00"}, "time_1"),
        ({"time_1": "02:00:30"}, "time_1"),
        ({"time_1": "0200"}, "time_1"),
        ({"time_1": "\u0662\u0663:\u0665\u0669"}, "time_1"),
        ({"time_1": "-1:00"}, "time_1"),
        ({"day_1": "1"}, "time_1"),
        ({"day_1": "1", "time_1": ""}, "time_1"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "America"}, "timezone"),
        ({"timezone": "localtime"}, "timezone"),
        ({"timezone": "europe/warsaw"}, "timezone"),
    ],
)
def test_read_names_the_field_that_is_wrong(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(form(**fields))

    assert caught.value.field == field
    assert str(caught.value)


def test_read_says_what_was_wrong_with_a_time() -> None:
    with pytest.raises(BadInput, match="25:61 is not a time of day; write it as HH:MM"):
        read(form(day_1="1", time_1="25:61"))


def test_read_ignores_fields_of_others() -> None:
    assert read(form(csrf_token="x", today="1", daytime="y")) == Schedule.empty("Europe/Warsaw")


def test_disabled_day_keeps_its_time() -> None:
    before = daily("UTC", "02:00")

    assert read(form(), before).days[4] == Day(enabled=False, time="02:00")
    assert read(form(time_4="03:00"), before).days[4] == Day(enabled=False, time="03:00")
    assert read(form(time_4=""), before).days[4] == Day(enabled=False, time="")


def test_empty_zone_is_the_default_and_an_unsent_one_stays() -> None:
    before = Schedule.empty("Asia/Tokyo")

    assert read({"timezone": ""}, before).timezone == "UTC"
    assert read({}, before).timezone == "Asia/Tokyo"
    assert read({}).timezone == "UTC"


@given(zone_names, weeks, st.none() | st.builds(SlotTime, st.dates(), st.datetimes(timezones=st.just(UTC))))
def test_json_form_gives_the_schedule_back(zone: str, days: tuple[Day, ...], early: SlotTime | None) -> None:
    schedule = Schedule(zone, days, early)

    assert Schedule.from_json(schedule.to_json()) == schedule


def test_json_form_is_that_of_the_state_page() -> None:
    assert only(1, "UTC", "02:00").to_json() == {
        "timezone": "UTC",
        "days": [{"day": number, "enabled": number == 1, "time": "02:00"} for number in range(7)],
    }


# --- one slot


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


# --- the next slots


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


# --- what is due


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


# --- saving


def saved(old: Schedule | None, new: Schedule, now: str, *, taken: tuple[str, ...] = (), made: bool = False) -> Any:
    """The next slot after a save: its date and moment."""
    dates = {date.fromisoformat(day) for day in taken}
    since = next_run.effective_from(old, new, at(now), catch_up=CATCH_UP, taken=dates, made_today=made)
    return next_run.next_run(new, since, taken=dates)


def test_saving_a_new_time_that_is_past_makes_today_due_at_once() -> None:
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T10:00") == (TODAY, at("2026-11-23T08:00"))
    assert saved(Schedule.empty("UTC"), daily("UTC", "08:00"), "2026-11-23T10:00")[0] == TODAY
    assert saved(daily("UTC", "14:00"), daily("UTC", "08:00"), "2026-11-23T10:00")[0] == TODAY


def test_saving_a_time_that_is_past_waits_when_something_was_made_today() -> None:
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T10:00", made=True)[0] == TOMORROW


def test_saving_a_time_that_is_past_waits_when_today_or_a_later_date_has_a_slot() -> None:
    now, old, new = at("2026-11-23T10:00"), daily("UTC", "03:00"), daily("UTC", "08:00")

    for taken in ({TODAY}, {TOMORROW}):
        assert next_run.effective_from(old, new, now, catch_up=CATCH_UP, taken=taken, made_today=False) == now


def test_saving_a_time_that_is_past_by_more_than_the_catch_up_waits() -> None:
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T20:00")[0] == TODAY
    assert saved(None, daily("UTC", "08:00"), "2026-11-23T20:01")[0] == TOMORROW


def test_saving_an_unchanged_time_never_fires_again() -> None:
    old = daily("UTC", "08:00")
    other_day_changed = Schedule("UTC", (Day(), *old.days[1:]))

    assert saved(old, old, "2026-11-23T10:00")[0] == TOMORROW
    assert saved(old, other_day_changed, "2026-11-23T10:00")[0] == TOMORROW
    assert saved(old, daily("Europe/London", "08:00"), "2026-11-23T10:00")[0] == TOMORROW


def test_saving_a_later_time_of_today_counts_today() -> None:
    assert saved(daily("UTC", "08:00"), daily("UTC", "14:00"), "2026-11-23T10:00") == (TODAY, at("2026-11-23T14:00"))


def test_saving_yesterdays_weekday_does_not_reach_back() -> None:
    sunday = only(0, "UTC", "23:00")

    assert saved(None, sunday, "2026-11-23T01:00")[0] == date(2026, 11, 29)


def test_change_of_zone_does_not_run_a_date_again() -> None:
    found = saved(
        daily("Asia/Tokyo", "08:00"), daily("America/New_York", "08:00"), "2026-11-23T01:00",
        taken=("2026-11-22", "2026-11-23"),
    )  # fmt: skip

    assert found == (TOMORROW, at("2026-11-24T13:00"))


# --- a change of zone, and 36 hours


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


@settings(max_examples=examples(10_000))
@given(zone_names, clock, MOVES, anytime, st.integers(0, 24))
@example("Pacific/Kiritimati", NOON, [(24 * 60 + 700, "Pacific/Pago_Pago")], at("2026-11-21T22:00"), 12)
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
