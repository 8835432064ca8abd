"""Steps of a reader in the browser before a picture is taken: opens a menu, a dialog, or loses the connection."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Route


def menu(page: Page) -> None:
    page.locator(".puqb-more > summary").nth(1).click()


def runs(page: Page) -> None:
    page.locator("#puqb-live-runs summary").click()


def edit(page: Page) -> None:
    page.locator(".puqb-more > summary").nth(1).click()
    page.locator("[data-puqb-edits]").nth(1).click()


def restore(page: Page) -> None:
    page.locator("[data-puqb-opens=puqb-restore]").nth(1).click()
    page.locator("#puqb-restore [aria-busy]").wait_for(state="detached")


def remove(page: Page) -> None:
    page.locator("[data-puqb-opens]:not([data-puqb-opens=puqb-restore]):enabled").nth(1).click()


def stop(page: Page) -> None:
    page.locator("#puqb-cancel-open").click()


def retry(page: Page) -> None:
    page.locator("#puqb-retry-open").click()


def reinstall(page: Page) -> None:
    page.locator("#puqb-reinstall-open").click()


def wrong_time(page: Page) -> None:
    page.locator("#puqb-time_2").fill("")
    page.locator("[data-puqb-save]").click()
    page.locator("[aria-invalid]").wait_for()


def unsaved(page: Page) -> None:
    page.locator("#puqb-day_3").uncheck()


def stale(page: Page) -> None:
    page.locator("[name=schedule_version]").evaluate("field => { field.value = 'older' }")
    page.locator("#puqb-day_3").uncheck()
    page.locator("[data-puqb-save]").click()
    page.locator(".puqb-versions-two").wait_for()


def long_note(page: Page) -> None:
    page.locator("#puqb-note").fill("[puqb: is not for people")
    page.locator("#puqb-create").click()
    page.locator("#puqb-live-messages [role=alert]").wait_for()


def _answered(page: Page, answer: Callable[[Route], None]) -> None:
    page.route("**/state", answer)
    # A poll's timer is set only when the page has read the answer before, at any moment of real time.
    for _ in range(100):
        page.clock.run_for(61_000)
        page.wait_for_timeout(100)
        if page.locator("[data-puqb-trouble]").is_visible():
            return
    raise AssertionError("the page says nothing about its state")


def signed_out(page: Page) -> None:
    _answered(page, lambda route: route.fulfill(status=401))


def gone(page: Page) -> None:
    _answered(page, lambda route: route.fulfill(status=404))


def offline(page: Page) -> None:
    _answered(page, lambda route: route.abort())


def delete(page: Page) -> None:
    page.locator("[data-puqb-opens=puqb-delete]:enabled").first.click()


def menu_of_imported(page: Page) -> None:
    page.locator("tr", has_text="from the old panel").locator(".puqb-more > summary").click()
