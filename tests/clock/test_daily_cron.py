"""DailyCronJob runs once per UTC day, on the first tick, with several processes and after downtime."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from support.bare_host import mount

from puq_backups import Backups
from puq_backups.clock import chores

START = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def backups(sqlite_url: str) -> Backups:
    return mount(sqlite_url)[1]


@pytest.fixture
def clock() -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(START, tick=False) as found:
        yield found


@pytest.mark.flow
def test_daily_job_runs_on_the_first_tick_of_each_day(backups: Backups, clock: time_machine.Coordinates) -> None:
    told: list[str] = []

    def job() -> None:
        told.append(f"{datetime.now(UTC):%d %H:%M}")
        # A job that takes its time must not push the next one later.
        clock.shift(timedelta(minutes=40))

    backups.hooks.add("DailyCronJob", job)
    for moment in ("28 12:00", "28 23:58", "28 23:59", "29 00:00", "29 00:01", "29 23:50", "30 00:05"):
        clock.move_to(datetime.strptime(f"2026-11-{moment} +0000", "%Y-%m-%d %H:%M %z"))
        backups.hooks.run("AfterCronJob")

    # Everything was down for three days: once, not three times.
    for hour in (9, 10):
        clock.move_to(datetime(2026, 12, 4, hour, tzinfo=UTC))
        backups.hooks.run("AfterCronJob")

    assert told == ["28 12:00", "29 00:00", "30 00:05", "04 09:00"]


def test_daily_job_that_fails_is_logged_and_not_run_again_that_day(
    backups: Backups, clock: time_machine.Coordinates, caplog: pytest.LogCaptureFixture
) -> None:
    backups.hooks.add("DailyCronJob", lambda: 1 / 0)

    for _ in range(2):
        backups.hooks.run("AfterCronJob")
        clock.shift(timedelta(minutes=1))

    assert caplog.text.count("at DailyCronJob failed") == 1


def test_chore_is_done_once_by_many_at_once(backups: Backups) -> None:
    """Nor by a process that checked while it was due and takes the lease after the first released it."""
    done: list[str] = []

    def do(name: str) -> bool:
        return chores.run_due(backups.context, name, timedelta(hours=1), lambda: done.append(name))

    names = [f"chore {number}" for number in range(5)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(do, sorted(names * 4)))

    assert sorted(done) == names
    assert answers.count(True) == len(names)
