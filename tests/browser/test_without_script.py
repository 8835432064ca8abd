"""The page in a browser that runs no script: everything still works, by plain forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from support import world as worlds


@pytest.fixture
def plain(browser: Browser, world: worlds.World, address: str) -> Iterator[Page]:
    """Alice's page of service "1", without script."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{address}/services/1/backups/")
    yield page
    context.close()


def reload(world: worlds.World, page: Page) -> None:
    """Let all work be done and ask for the page again, not for the form once more."""
    world.drain()
    page.goto(page.url)


def opened(page: Page, action: str) -> Locator:
    """The dialog that a button in the list's only row opens."""
    page.get_by_role("button", name=re.compile(rf"^{action} \W")).click()
    return page.get_by_role("dialog")


def test_schedule_is_saved_and_a_wrong_time_is_named(plain: Page) -> None:
    plain.get_by_label("Tuesday", exact=True).check()
    plain.get_by_role("button", name="Save Schedule").click()
    expect(plain.get_by_role("alert")).to_contain_text("Nothing was changed.")
    expect(plain.get_by_label("Tuesday", exact=True)).to_be_checked()

    plain.get_by_label("Time on Tuesday").fill("04:05")
    plain.get_by_label("Time zone").select_option("Europe/Warsaw")
    plain.get_by_role("button", name="Save Schedule").click()

    expect(plain.get_by_role("status").first).to_contain_text("The schedule is saved.")
    expect(plain.get_by_label("Time on Tuesday")).to_have_value("04:05")
    expect(plain.get_by_label("Time zone")).to_have_value("Europe/Warsaw")


def test_backup_is_made_restored_and_removed(
    world: worlds.World, plain: Page, shot: Callable[[Page, str], Path]
) -> None:
    plain.get_by_label("Backups notes").fill("by plain forms")
    plain.get_by_role("button", name="Backup now").click()
    expect(plain.get_by_text("The backup has been asked for.")).to_be_visible()
    expect(plain.get_by_role("link", name="Refresh this page")).to_be_visible()
    reload(world, plain)
    expect(plain.get_by_role("row").filter(has_text="by plain forms")).to_be_visible()

    dialog = opened(plain, "Restore")
    shot(plain, "without-script")
    dialog.get_by_role("checkbox").uncheck()
    dialog.get_by_label(re.compile("^Type ")).fill("another")
    dialog.get_by_role("button", name="Restore backup").click()
    expect(plain.get_by_role("dialog")).to_contain_text("Type the name of the virtual machine")
    expect(plain.get_by_role("dialog").get_by_role("checkbox")).not_to_be_checked()
    plain.get_by_role("dialog").get_by_label(re.compile("^Type ")).fill(world.service().vm_name)
    plain.keyboard.press("Enter")
    expect(plain.get_by_text("The restore has been asked for.")).to_be_visible()
    reload(world, plain)
    expect(plain.get_by_text("The backup was restored.")).to_be_visible()

    opened(plain, "Remove").get_by_role("button", name="Remove backup").click()
    expect(plain.get_by_text("The backup is being removed.")).to_be_visible()
    reload(world, plain)
    expect(plain.get_by_text("There are no backups yet.")).to_be_visible()
    assert world.proxmox.volumes("local") == []


def test_restore_is_confirmed_on_a_page_that_says_what_will_happen(
    world: worlds.World, plain: Page, shot: Callable[[Page, str], Path]
) -> None:
    world.back_up("before the upgrade")
    plain.reload()
    opened(plain, "Restore").get_by_role("link", name="See what exactly will happen").click()
    expect(plain.get_by_text("This will happen:")).to_be_visible()
    expect(plain.get_by_label(re.compile("safety copy"))).to_be_checked()
    shot(plain, "confirming-without-script")
    plain.get_by_label(re.compile("^Type ")).fill(world.service().vm_name)
    plain.get_by_role("button", name="Restore backup").click()
    reload(world, plain)

    expect(plain.get_by_text("The backup was restored.")).to_be_visible()
    expect(plain.get_by_text("Safety copy from before the restore of").first).to_be_visible()


def test_dialog_that_a_wrong_word_left_open_can_be_left(world: worlds.World, plain: Page) -> None:
    world.back_up()
    plain.reload()
    opened(plain, "Restore").get_by_label(re.compile("^Type ")).fill("another")
    plain.get_by_role("dialog").get_by_role("button", name="Restore backup").click()
    expect(plain.get_by_role("dialog")).to_be_visible()

    plain.get_by_role("dialog").get_by_text("Cancel").click()

    expect(plain.get_by_role("dialog")).to_have_count(0)
    assert [operation.kind for operation in world.operations()] == ["backup"]
