"""Schedules, clock changes and due slots, in every zone and at its clock changes.

The oracle reads the wall clock minute by minute.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puq_backups.errors import BadInput
from puq_backups.rules.schedule import Day, Schedule, SlotTime

from .schedule_helpers import daily, only, read, weeks, zone_names


def form(**fields: Any) -> dict[str, Any]:
    return {"timezone": "Europe/Warsaw", **fields}


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
