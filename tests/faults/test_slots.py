"""The check's own reading of a schedule, at changes of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from faults import slots


@pytest.mark.parametrize(
    ("day", "wall_time", "zone", "expected"),
    [
        (date(2026, 3, 29), "02:30", "Europe/Berlin", "2026-03-29T01:00"),
        (date(2026, 10, 25), "02:30", "Europe/Berlin", "2026-10-25T00:30"),
        (date(2026, 7, 1), "02:30", "Europe/Berlin", "2026-07-01T00:30"),
        (date(2026, 1, 1), "23:30", "Pacific/Auckland", "2026-01-01T10:30"),
        (date(2011, 12, 30), "12:00", "Pacific/Apia", None),
    ],
)
def test_due_times_at_changes_of_the_clock(day: date, wall_time: str, zone: str, expected: str | None) -> None:
    at = slots.due(day, wall_time, zone)
    assert (at and f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M}") == expected
