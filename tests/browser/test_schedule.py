"""The week on the page and the clock moved on: backups appear by themselves, and the oldest goes as announced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from playwright.sync_api import Locator, Page, expect
from support import world as worlds

from puq_backups.clock import tick

Shot = Callable[[Page, str], Path]
WEEK = {"Sunday": "12:00", "Wednesday": "23:30"}


@pytest.fixture
def sunday() -> datetime:
    """A Sunday morning to come: the simulated Proxmox cannot go back behind the moment it was started."""
    soon = datetime.now(UTC) + timedelta(days=1)
    morning = soon.replace(hour=10, minute=0, second=0, microsecond=0)
    return morning + timedelta(days=(6 - morning.weekday()) % 7)


@pytest.fixture
def clock(sunday: datetime) -> Iterator[time_machine.Coordinates]:
    with time_machine.travel(sunday, tick=True) as found:
        yield found


def test_schedule_makes_backups_and_removes_the_oldest(
    page: Page, clock: time_machine.Coordinates, sunday: datetime, world: worlds.World, address: str
) -> None:
    page.goto(f"{address}/services/1/backups/")
    save_the_week(page)

    at(clock, world, sunday + timedelta(hours=1.9))
    assert dates_on(page) == []
    at(clock, world, sunday + timedelta(hours=2.1))
    assert dates_on(page) == [day(sunday, 0)]

    at(clock, world, sunday + timedelta(days=2))
    assert dates_on(page) == [day(sunday, 0)]
    at(clock, world, sunday + timedelta(days=3, hours=13.6))
    assert dates_on(page) == [day(sunday, 3), day(sunday, 0)]
    expect(announced(page)).to_contain_text("The next run removes nothing.")

    at(clock, world, sunday + timedelta(days=7, hours=2.1))
    assert dates_on(page) == [day(sunday, 7), day(sunday, 3), day(sunday, 0)]
    expect(page.locator(".puqb-quota")).to_have_text("3/3")
    assert sees_going(page) == [day(sunday, 0)]

    at(clock, world, sunday + timedelta(days=10, hours=13.6))
    assert dates_on(page) == [day(sunday, 10), day(sunday, 7), day(sunday, 3)]
    assert sees_going(page) == [day(sunday, 3)]
    assert len(world.proxmox.volumes("local")) == 3


def test_backup_that_is_kept_stays_and_the_next_oldest_goes(
    page: Page, clock: time_machine.Coordinates, sunday: datetime, world: worlds.World, address: str, shot: Shot
) -> None:
    page.goto(f"{address}/services/1/backups/")
    save_the_week(page)
    for days, hours in ((0, 2.1), (3, 13.6), (7, 2.1)):
        at(clock, world, sunday + timedelta(days=days, hours=hours))
    assert dates_on(page)[-1] == day(sunday, 0)
    shot(page, "announced")
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "announced-phone")
    assert page.evaluate("document.documentElement.scrollWidth") == 390

    announced(page).get_by_role("button", name="Keep").click()
    expect(page.get_by_text("Backup kept.").first).to_be_visible()
    assert sees_going(page) == [day(sunday, 3)]
    at(clock, world, sunday + timedelta(days=10, hours=13.6))

    assert dates_on(page) == [day(sunday, 10), day(sunday, 7), day(sunday, 0)]


def save_the_week(page: Page) -> None:
    for name, time in WEEK.items():
        page.get_by_label(name, exact=True).check()
        page.get_by_label(f"Time on {name}").fill(time)
    page.get_by_role("button", name="Save Schedule").click()
    expect(page.get_by_text("The schedule is saved.")).to_be_visible()


def at(clock: time_machine.Coordinates, world: worlds.World, moment: datetime) -> None:
    """Move the clock, tick twice, and do all the work that came of it."""
    clock.move_to(moment)
    tick.tick(world.context)
    tick.tick(world.context)
    world.drain()


def day(sunday: datetime, after: int) -> str:
    return f"{sunday + timedelta(days=after):%Y-%m-%d}"


def dates_on(page: Page) -> list[str]:
    """The dates of the backups that the page lists, from the top."""
    page.reload()
    return dates(page.locator(".puqb-when time"))


def sees_going(page: Page) -> list[str]:
    """The dates of the backups that the page says will go."""
    expect(announced(page)).to_contain_text("The next run removes the oldest:")
    return dates(announced(page).locator("b time"))


def announced(page: Page) -> Locator:
    return page.locator("#puqb-live-next")


def dates(times: Locator) -> list[str]:
    return [str(time.get_attribute("datetime"))[:10] for time in times.all()]
