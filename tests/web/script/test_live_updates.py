"""The page updates itself: progress, the end of an operation, lost connections."""

import pytest
from playwright.sync_api import Page, expect

from ..page_values import a_backup, an_operation
from .site import Site, running, turn


def test_progress_moves_in_place(site: Site, tab: Page) -> None:
    running(site, an_operation(progress=42))
    tab.goto(site.url)
    tab.locator("[data-puqb-operation]").evaluate("node => { node.dataset.mark = 'same' }")

    site.state["operation"]["progress"] = 77
    turn(site, tab)

    expect(tab.locator("[data-puqb-left]")).to_have_text("77%")
    expect(tab.locator("[data-puqb-progress]")).to_have_attribute("value", "77")
    expect(tab.locator("[data-mark=same]")).to_be_visible()


def test_bytes_of_a_restore_move_in_place_as_its_language_writes_them(site: Site, tab: Page) -> None:
    moved = {"done": 2**30, "total": 32 * 2**30, "rate": None}
    running(site, an_operation(kind="restore", bytes=moved))
    tab.goto(site.url)
    expect(tab.locator("[data-puqb-bytes]")).to_have_text(": 1 of 32 GiB")
    tab.locator("#puqb").evaluate("node => { node.lang = 'de' }")

    rate = 142 * 2**20
    site.state["operation"] |= {
        "progress": 50,
        "bytes": {**moved, "done": 33 * 2**29, "rate": rate},
        "seconds_left": 90,
    }
    turn(site, tab)

    expect(tab.locator("[data-puqb-bytes]")).to_have_text(": 16,5 of 32 GiB")
    expect(tab.locator("[data-puqb-rate]")).to_have_text("142 MiB/s")
    expect(tab.locator("[data-puqb-left]")).to_have_text("50\u00a0%, 2 Min. left")


def test_end_of_an_operation_shows_without_losing_what_is_typed(site: Site, tab: Page) -> None:
    running(site, an_operation())
    tab.goto(site.url)
    tab.get_by_label("Backups notes").fill("half a sentence")
    tab.get_by_label("Time on Sunday").fill("04:30")

    site.vars = {"backups": [a_backup(0, note="made just now"), a_backup(1)], "quota": {"used": 2, "limit": 10}}
    site.state = {"operation": None, "locked": False, "backups": [{"id": "b0"}, {"id": "b1"}]}
    turn(site, tab)

    expect(tab.get_by_text("made just now").first).to_be_visible()
    expect(tab.get_by_text("2/10")).to_be_visible()
    expect(tab.locator("[data-puqb-operation]")).to_have_count(0)
    expect(tab.get_by_label("Backups notes")).to_have_value("half a sentence")
    expect(tab.get_by_label("Time on Sunday")).to_have_value("04:30")


def test_first_backup_that_appears_can_be_restored_at_once(site: Site, tab: Page) -> None:
    site.vars, site.state = {"backups": []}, {"operation": None, "locked": False, "backups": []}
    tab.goto(site.url)
    expect(tab.get_by_text("There are no backups yet.")).to_be_visible()

    site.vars, site.state = {}, {**site.state, "backups": [{"id": "b1"}]}
    turn(site, tab)
    tab.get_by_role("button", name="Restore").click()

    expect(tab.get_by_label("Type web-1 to confirm")).to_be_focused()


def test_change_between_page_and_first_poll_is_seen(site: Site, tab: Page) -> None:
    site.vars = {"operation": an_operation()}
    tab.goto(f"{site.url}#stale")
    expect(tab.locator("[data-puqb-operation]")).to_have_count(1)

    site.vars = {}
    turn(site, tab)

    expect(tab.locator("[data-puqb-operation]")).to_have_count(0)


def test_open_dialog_is_left_alone_until_it_is_closed(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    tab.get_by_role("button", name="Restore").click()
    tab.get_by_label("Type web-1 to confirm").fill("web")

    site.vars = {"backups": [a_backup(0, note="made just now"), a_backup(1)]}
    site.state = {**site.state, "backups": [{"id": "b0"}, {"id": "b1"}]}
    turn(site, tab)

    expect(tab.get_by_label("Type web-1 to confirm")).to_have_value("web")
    tab.keyboard.press("Escape")
    turn(site, tab)
    expect(tab.get_by_text("made just now").first).to_be_visible()


def test_lost_connection_is_admitted_and_recovers(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    offline = tab.locator("[data-puqb-offline]")
    tab.route("**/state", lambda route: route.abort())

    turn(site, tab)
    turn(site, tab)
    expect(offline).to_be_visible()

    tab.unroute("**/state")
    turn(site, tab)
    expect(offline).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "said"), [(401, "until you sign in again"), (403, "may no longer see"), (404, "no longer found")]
)
def test_what_stands_between_page_and_server_is_said(site: Site, tab: Page, status: int, said: str) -> None:
    tab.goto(site.url)
    expect(tab.locator("[data-puqb-trouble]")).to_be_hidden()
    tab.route("**/state", lambda route: route.fulfill(status=status))

    turn(site, tab)

    expect(tab.locator("[data-puqb-trouble]").get_by_text(said)).to_be_visible()


def test_server_that_asks_for_time_is_given_it(site: Site, tab: Page) -> None:
    tab.add_init_script(
        "const ask = fetch; window.asked = []; window.fetch = (...args) => (asked.push(Date.now()), ask(...args))"
    )
    tab.route("**/state", lambda route: route.fulfill(status=503, headers={"Retry-After": "120"}))
    tab.goto(site.url)

    turn(site, tab)
    turn(site, tab)

    first, second, *_ = tab.evaluate("asked")
    assert second - first >= 120_000
