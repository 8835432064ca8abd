"""What a customer does, start to end, in the demo as `make demo` starts it: every part is a process of its own.

Pictures of each station are taken on a desk and on a phone; `make gallery` has them in the dark.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import requests
from playwright.sync_api import Locator, Page, expect
from support.running_demo import Demo
from support.waiting import PATIENCE, wait_until

Shot = Callable[[Page, str], Path]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
LOCKED = "Other actions wait until the restore is done."


def test_demo_signs_a_customer_in(page: Page, demo: Demo) -> None:
    page.goto(demo.address)
    page.get_by_role("button", name="Alice Adams").click()

    expect(page.get_by_role("heading", name="Your services")).to_be_visible()
    expect(page.get_by_role("link", name="bakery-web", exact=True)).to_be_visible()
    expect(page.get_by_text("bobs-blog")).to_have_count(0)


# Chromium tells on its console that the wrong name got a 400.
@pytest.mark.console_errors("status of 400")
def test_customer_schedules_backs_up_restores_and_removes(page: Page, demo: Demo, shot: Shot) -> None:
    sign_in(page, demo.address)
    set_a_schedule(page)
    back_up(page, "before the upgrade")
    see_it_grow(page)
    see_in_the_list(page, "before the upgrade", "1/10")
    # The first backup brings its pictures along, without the page being loaded again.
    expect(page.locator("#puqb-live-history .puqb-strip")).to_be_visible()
    look(page, shot, "one-backup")
    ask_to_restore(page, shot)
    find_the_machine_locked(page, shot)
    see_it_restored(page)
    read_the_mail(page, shot)
    hurry(demo)
    back_up(page, "after the upgrade")
    see_in_the_list(page, "after the upgrade", "2/10")
    remove(page, "after the upgrade", "1/10")
    look(page, shot, "removed")


def look(page: Page, shot: Shot, name: str) -> None:
    """Take the station's pictures; nothing may be wider than a phone."""
    shot(page, name)
    page.set_viewport_size(PHONE)
    shot(page, f"{name}-phone")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.set_viewport_size(DESK)


def quota(page: Page) -> Locator:
    return page.locator(".puqb-quota")


def row(page: Page, note: str) -> Locator:
    return page.get_by_role("row").filter(has_text=note)


def outcome(page: Page) -> Locator:
    return page.locator("#puqb-live-activity")


def sign_in(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Alice Adams").click()
    page.get_by_role("link", name="Backups of bakery-web").click()
    expect(page.get_by_text("There are no backups yet.")).to_be_visible()
    expect(quota(page)).to_have_text("0/10")


def set_a_schedule(page: Page) -> None:
    # Days far enough ahead that no slot comes due while the test runs.
    soon, later = (datetime.now(ZoneInfo("Europe/London")) + timedelta(days=days) for days in (3, 5))
    for day, time in ((soon, "03:30"), (later, "22:15")):
        page.get_by_label(f"{day:%A}", exact=True).check()
        page.get_by_label(f"Time on {day:%A}").fill(time)
    expect(page.get_by_text("Changes are not saved yet.")).to_be_visible()
    page.get_by_role("button", name="Save Schedule").click()

    expect(page.get_by_text("The schedule is saved.")).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    expect(page.get_by_label(f"Time on {later:%A}")).to_have_value("22:15")
    expect(page.locator("#puqb-live-protection time").first).to_contain_text(f"{soon:%a}, {soon:%b} {soon.day}")


def back_up(page: Page, note: str) -> None:
    page.get_by_label("Backups notes").fill(note)
    page.get_by_role("button", name="Backup now").click()
    expect(page.locator("#puqb-live-messages")).to_contain_text("Your backup is starting.")


def see_it_grow(page: Page) -> None:
    expect(outcome(page)).to_contain_text("Making a backup")
    expect(page.locator("[data-puqb-left]")).to_have_text(re.compile(r"^[1-9]\d?%"))
    expect(page.get_by_role("button", name="Backup now")).to_be_disabled()


def see_in_the_list(page: Page, note: str, used: str) -> None:
    expect(outcome(page)).to_contain_text("The backup was made.")
    expect(outcome(page)).not_to_contain_text("Making a backup")
    expect(page.locator("#puqb-live-messages")).not_to_contain_text("Your backup is starting.")
    made = datetime.fromisoformat(str(row(page, note).locator("time").get_attribute("datetime")))
    assert timedelta(0) < datetime.now(UTC) - made < timedelta(minutes=2)
    expect(row(page, note)).to_contain_text(re.compile(r"\d GiB"))
    expect(quota(page)).to_have_text(used)


def ask_to_restore(page: Page, shot: Shot) -> None:
    page.get_by_role("button", name=re.compile(r"^Restore \W")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type bakery-web to confirm").fill("bakery-db")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_disabled()
    look(page, shot, "wrong-name")
    dialog.get_by_label("Type bakery-web to confirm").fill("Bakery-Web ")
    dialog.get_by_role("button", name="Restore backup").click()

    expect(page.locator("#puqb-live-messages")).to_contain_text("Your restore is starting.")
    expect(page.locator("#puqb-lock")).to_contain_text(LOCKED)
    expect(page.get_by_role("button", name=re.compile(r"^Remove \W")).last).to_be_disabled()
    look(page, shot, "restoring")


def find_the_machine_locked(page: Page, shot: Shot) -> None:
    page.get_by_role("link", name="bakery-web").click()
    for button in ("Start", "Stop", "Change package"):
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("alert")).to_have_text(LOCKED)
    look(page, shot, "locked-machine")


def see_it_restored(page: Page) -> None:
    page.get_by_role("link", name="Open Backups").click()
    expect(outcome(page)).to_contain_text("The backup was restored.")
    expect(page.locator("#puqb-live-status")).to_have_text("Server is running")
    expect(row(page, "Safety copy from before the restore of")).to_contain_text("Safety copy")


def read_the_mail(page: Page, shot: Shot) -> None:
    page.get_by_role("link", name="Mails").click()
    restored = page.get_by_role("group").filter(has_text="Backup restored successfully: bakery-web").first

    def arrived() -> bool:
        # Mails are sent after the operation has ended, and the demo's list is that of its moment.
        page.reload()
        return restored.count() > 0

    wait_until(arrived, page.get_by_role("main").inner_text)
    if restored.get_attribute("open") is None:
        restored.locator("summary").first.click()
    mail = page.frame_locator("iframe[title^='Backup restored']")
    expect(mail.get_by_text("Dear Alice Adams")).to_be_visible()
    expect(mail.get_by_text("before the upgrade")).to_be_visible()
    look(page, shot, "mail")
    page.go_back()


def hurry(demo: Demo) -> None:
    """Let the machine's next backups take a second: the first one was there to be watched."""
    lines = (Path(demo.folder) / "simulator.log").read_text().splitlines()
    simulator = json.loads(next(line for line in lines if line.startswith("{")))
    step = {"control": "slow-backup", "vmid": 100, "seconds": 1}
    address = f"{simulator['url']}/simulator/control"
    requests.post(address, json=step, verify=simulator["ca_file"], timeout=PATIENCE).raise_for_status()


def remove(page: Page, note: str, used: str) -> None:
    row(page, note).get_by_role("button", name=re.compile(r"^Remove \W")).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove backup").click()
    expect(row(page, "In the bin until")).to_be_visible()
    expect(row(page, "In the bin until").get_by_role("button", name=re.compile(r"^Undo \W"))).to_be_enabled()
    expect(row(page, note)).to_contain_text("In the bin until")
    expect(row(page, "before the upgrade")).to_be_visible()
    expect(quota(page)).to_have_text(used)
