"""Dialogs, menus and forms: what the script adds to them, and the page without it."""

import pytest
from playwright.sync_api import Browser, Page, expect

from ..page_values import a_backup
from ..rendering import confirmation
from .site import Site


def test_dialog_shows_what_exactly_will_happen_once_it_is_known(site: Site, tab: Page) -> None:
    site.vars, site.look = {"safety_copy": "offer"}, confirmation()
    tab.goto(site.url)
    tab.get_by_role("button", name="Restore").click()

    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("The disk scsi0 goes back.")).to_be_visible()
    expect(dialog.get_by_text("about 7 minutes")).to_be_visible()
    expect(tab.get_by_label("Type web-1 to confirm")).to_be_focused()
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_disabled()
    tab.get_by_label("Type web-1 to confirm").fill(" WEB-1")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_enabled()
    tab.keyboard.press("Escape")

    site.look = confirmation(blocked=["The file is gone."], safety_against="There is no room.")
    tab.get_by_role("button", name="Restore").click()
    expect(dialog.get_by_text("The file is gone.")).to_be_visible()
    tab.get_by_label("Type web-1 to confirm").fill("web-1")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_disabled()


def test_dialog_keeps_what_every_restore_does_where_more_cannot_be_known(site: Site, tab: Page) -> None:
    site.vars = {"safety_copy": "offer", "backups": [a_backup(1, note="the first"), a_backup(2)]}
    tab.goto(site.url)
    with tab.expect_response("**/look"):
        tab.get_by_role("button", name="Restore").nth(1).click()

    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("All snapshots of the server are deleted.")).to_be_visible()
    expect(dialog.locator("form")).to_have_attribute("action", f"{site.url}b2/look")
    tab.get_by_label("Type web-1 to confirm").fill("web-1")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_enabled()


def test_dialog_is_modal_and_gives_the_focus_back(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    opener = tab.get_by_role("button", name="Remove")
    opener.click()

    assert tab.locator("dialog:modal").count() == 1
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.locator("dialog:modal")).to_have_count(0)
    expect(opener).to_be_focused()


def test_second_click_posts_nothing_more(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    with tab.expect_response("**/create"):
        tab.locator("#puqb-create").dblclick()

    assert site.posts == ["/s/1/backups/create"]


def test_keep_is_sent_in_place_and_says_so(site: Site, tab: Page) -> None:
    site.after = {"message": "Backup kept.", "backups": [a_backup(1, kept=True), a_backup(2)]}
    site.vars = {"backups": [a_backup(1), a_backup(2)]}
    tab.goto(site.url)
    tab.get_by_label("Time on Sunday").fill("04:30")
    tab.locator(".puqb-more > summary").first.click()
    tab.get_by_role("button", name="Keep").first.click()

    expect(tab.get_by_text("Backup kept.").first).to_be_visible()
    expect(tab.locator(".puqb-marks").first).to_contain_text("Kept")
    expect(tab.locator(".puqb-more > summary").first).to_be_focused()
    expect(tab.get_by_label("Time on Sunday")).to_have_value("04:30")
    assert site.posts == ["/s/1/backups/b1/keep"]


def test_description_is_edited_in_its_row_and_can_be_left(site: Site, tab: Page) -> None:
    site.after = {"backups": [a_backup(1, note="new words")]}
    tab.goto(site.url)
    tab.locator(".puqb-more > summary").click()
    tab.get_by_role("button", name="Edit description").click()
    expect(tab.get_by_label("Description", exact=True)).to_have_value("Note 1")
    expect(tab.get_by_label("Description", exact=True)).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.get_by_label("Description", exact=True)).to_have_count(0)

    tab.locator(".puqb-more > summary").click()
    tab.get_by_role("button", name="Edit description").click()
    tab.get_by_label("Description", exact=True).fill("new words")
    tab.keyboard.press("Enter")

    expect(tab.get_by_text("new words").first).to_be_visible()
    assert site.posts == ["/s/1/backups/b1/note"]


def test_save_is_off_until_something_changed_and_all_days_can_be_set(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    save = tab.get_by_role("button", name="Save Schedule")
    expect(save).to_be_disabled()
    tab.get_by_label("Same time for all days").fill("05:15")
    tab.get_by_role("button", name="Set all days").click()

    expect(save).to_be_enabled()
    for day in range(7):
        expect(tab.locator(f"#puqb-time_{day}")).to_have_value("05:15")
        expect(tab.locator(f"#puqb-day_{day}")).to_be_checked()


def test_zone_is_found_by_its_city_and_its_time_is_told(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    zone = tab.get_by_label("Time zone")
    zone.fill("nowhere/x")
    expect(tab.get_by_text("There is no such time zone.")).to_be_visible()
    zone.fill("kyiv")
    zone.blur()

    expect(zone).to_have_value("Europe/Kyiv")
    expect(tab.locator("#puqb-zone-now")).to_contain_text("there now")


def test_menu_closes_by_escape_and_by_a_click_elsewhere(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    menu = tab.locator(".puqb-more")
    tab.locator(".puqb-more > summary").click()
    tab.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    tab.locator(".puqb-more > summary").click()
    tab.get_by_role("heading", name="web-1").click()

    expect(menu).not_to_have_attribute("open", "")


def test_restore_of_the_first_row_is_reached_in_few_tabs(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    reached = []
    while len(reached) < 20 and "puqb-restore" not in reached:
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.dataset.puqbOpens"))
    assert reached[-1] == "puqb-restore"


def test_unsaved_schedule_says_so_and_asks_before_leaving(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    tab.get_by_label("Tuesday", exact=True).check()
    asked: list[str] = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))

    expect(tab.get_by_text("Changes are not saved yet.")).to_be_visible()
    tab.goto("about:blank")

    assert asked == ["beforeunload"]


def test_page_without_script_still_confirms_before_it_removes(site: Site, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(site.url)

    expect(tab.get_by_role("button", name="Remove backup")).to_be_hidden()
    tab.get_by_role("button", name="Remove").click()
    tab.wait_for_url("**/b1/remove*")
    context.close()

    assert site.posts == []


@pytest.mark.parametrize("width", [320, 390, 700, 940, 1400])
def test_nothing_runs_out_of_the_window(site: Site, tab: Page, width: int) -> None:
    site.vars = {"backups": [a_backup(1, note="x" * 255, kept=True), a_backup(2, note="words " * 40)]}
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(site.url)

    assert tab.evaluate("document.documentElement.scrollWidth") <= width
