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
    """The page that a button in the list's only row leads to."""
    page.get_by_role("button", name=re.compile(rf"^{action} \W")).click()
    return page.locator(".puqb-confirm")


def test_schedule_is_saved_and_a_wrong_time_is_named(plain: Page) -> None:
    plain.get_by_label("Tuesday", exact=True).check()
    plain.get_by_role("button", name="Save Schedule").click()
    expect(plain.get_by_role("alert")).to_contain_text("Nothing was changed.")
    expect(plain.get_by_label("Tuesday", exact=True)).to_be_checked()

    plain.get_by_label("Time on Tuesday").fill("04:05")
    plain.get_by_label("Time zone").fill("Europe/Warsaw")
    plain.get_by_role("button", name="Save Schedule").click()

    expect(plain.get_by_text("The schedule is saved.")).to_be_visible()
    expect(plain.get_by_label("Time on Tuesday")).to_have_value("04:05")
    expect(plain.get_by_label("Time zone")).to_have_value("Europe/Warsaw")


def test_backup_is_made_restored_and_removed(
    world: worlds.World, plain: Page, shot: Callable[[Page, str], Path]
) -> None:
    plain.get_by_label("Backups notes").fill("by plain forms")
    plain.get_by_role("button", name="Backup now").click()
    expect(plain.get_by_text("Your backup is starting.")).to_be_visible()
    expect(plain.get_by_role("link", name="Refresh this page")).to_be_visible()
    reload(world, plain)
    expect(plain.get_by_role("row").filter(has_text="by plain forms")).to_be_visible()

    dialog = opened(plain, "Restore")
    shot(plain, "without-script")
    dialog.get_by_role("checkbox").uncheck()
    dialog.get_by_label(re.compile("^Type ")).fill("another")
    dialog.get_by_role("button", name="Restore backup").click()
    expect(dialog).to_contain_text("Type the name of the server")
    expect(dialog.get_by_role("checkbox")).not_to_be_checked()
    dialog.get_by_label(re.compile("^Type ")).fill(world.service().vm_name)
    plain.keyboard.press("Enter")
    expect(plain.get_by_text("Your restore is starting.")).to_be_visible()
    reload(world, plain)
    expect(plain.get_by_text("The backup was restored.")).to_be_visible()

    opened(plain, "Remove").get_by_role("button", name="Delete backup").click()
    expect(plain.get_by_text("The backup will be removed.", exact=True)).to_be_visible()
    reload(world, plain)
    expect(plain.get_by_text("There are no backups yet.")).to_be_visible()
    assert world.proxmox.volumes("local") == []


def test_restore_is_confirmed_on_a_page_that_says_what_will_happen(
    world: worlds.World, plain: Page, shot: Callable[[Page, str], Path]
) -> None:
    world.back_up("before the upgrade")
    plain.reload()
    opened(plain, "Restore")
    expect(plain.get_by_text("This will happen:")).to_be_visible()
    expect(plain.get_by_label(re.compile("safety copy"))).to_be_checked()
    shot(plain, "confirming-without-script")
    plain.get_by_label(re.compile("^Type ")).fill(world.service().vm_name)
    plain.get_by_role("button", name="Restore backup").click()
    reload(world, plain)

    expect(plain.get_by_text("The backup was restored.")).to_be_visible()
    expect(plain.get_by_text("Safety copy from before the restore of").first).to_be_visible()


def test_kept_and_described_without_script_stays_at_its_row(world: worlds.World, plain: Page) -> None:
    backup = world.back_up("first words")
    plain.reload()
    plain.locator(".puqb-more > summary").click()
    plain.get_by_role("button", name="Keep").click()
    expect(plain.get_by_text("Backup kept.")).to_be_visible()
    assert plain.url.endswith(f"#puqb-backup-{backup.id}")

    plain.locator(".puqb-more > summary").click()
    plain.get_by_role("button", name="Edit description").click()
    plain.get_by_label("Description", exact=True).fill("other words")
    plain.get_by_role("button", name="Save", exact=True).click()
    expect(plain.get_by_text("The description is saved.")).to_be_visible()
    assert [(one.note, one.kept) for one in world.held()] == [("other words", True)]


def test_restore_that_was_not_confirmed_can_be_left(world: worlds.World, plain: Page) -> None:
    world.back_up()
    plain.reload()
    confirm = opened(plain, "Restore")
    confirm.get_by_label(re.compile("^Type ")).fill("another")
    confirm.get_by_role("button", name="Restore backup").click()

    confirm.get_by_role("link", name="Cancel").click()

    expect(plain.get_by_role("heading", name="Scheduled Automatic Backups")).to_be_visible()
    assert [operation.kind for operation in world.operations()] == ["backup"]
