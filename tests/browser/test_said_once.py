"""The page says each thing once, and nothing that another part of it denies, in states of the gallery."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gallery import browser_steps
from gallery.served import Gallery
from playwright.sync_api import Browser, Page


@pytest.fixture
def words(reader: Callable[[str], Page], gallery: Gallery) -> Callable[[str], str]:
    """Returns the visible words of a state's page."""
    page = reader("en-GB")

    def read(state: str) -> str:
        page.goto(gallery[state])
        return " ".join(page.locator("#puqb").inner_text().split())

    return read


def test_storage_that_is_offline_is_told_in_the_header_line_only(words: Callable[[str], str]) -> None:
    text = words("storage-offline")

    assert text.count("not answer") == 1
    assert "start, stop and restore" not in text


def test_suspension_is_told_once_with_a_next_step(
    words: Callable[[str], str], reader: Callable[[str], Page], gallery: Gallery
) -> None:
    text = words("suspended")

    assert text.lower().count("suspended") == 2, text  # the word, and its sentence
    assert "contact support" in text
    page = reader("en-GB")
    page.goto(gallery["suspended"])
    link = page.locator("#puqb-live-protection a")
    assert link.get_attribute("href").endswith("/services/suspended")
    described = page.locator("#puqb-create").get_attribute("aria-describedby")
    assert page.locator(f"#{described}").inner_text() == "Backups are paused while the service is suspended."


@pytest.mark.parametrize("state", ["storage-offline", "backups-on-another-node"])
def test_no_restore_is_promised_where_no_backup_can_be_restored(words: Callable[[str], str], state: str) -> None:
    assert "You can start and stop your server." in words(state)


def test_nothing_is_promised_to_an_account_that_may_only_look(browser: Browser, gallery: Gallery) -> None:
    page = browser.new_page()
    page.context.add_cookies([{"name": "permissions", "value": "view", "url": gallery.host}])
    page.goto(gallery["read-only"])
    text = page.locator("#puqb-live-activity").inner_text()
    page.close()

    assert "You can" not in text


def test_changed_schedule_is_told_once(reader: Callable[[str], Page], gallery: Gallery) -> None:
    page = reader("en-GB")
    page.goto(gallery["schedule-changed-meanwhile"])
    browser_steps.stale(page)

    assert page.locator("#puqb").inner_text().count("The schedule was changed meanwhile.") == 1


def test_why_no_backup_can_be_restored_is_said(words: Callable[[str], str]) -> None:
    assert "None of the backups below can be restored. Your server has moved away" in words("backups-on-another-node")


@pytest.mark.parametrize(
    ("state", "unsaid"),
    [
        ("first-use", "No day of the schedule is enabled."),
        ("first-backup-planned", "remove nothing"),
        ("no-backups-in-package", "There is no"),
        ("quota-lowered", "Later runs"),
    ],
)
def test_what_is_plain_is_not_said(words: Callable[[str], str], state: str, unsaid: str) -> None:
    assert unsaid not in words(state)


@pytest.mark.parametrize(
    ("state", "once"),
    [("restore-failed", "restore failed"), ("removing", "removing"), ("backup-missed", "not made")],
)
def test_what_went_wrong_or_runs_is_said_once(words: Callable[[str], str], state: str, once: str) -> None:
    assert words(state).lower().count(once) == 1


@pytest.mark.parametrize("state", ["locked-by-proxmox", "restore-failed"])
def test_where_actions_must_wait_the_page_does_not_say_that_nothing_runs(
    words: Callable[[str], str], state: str
) -> None:
    assert "Nothing is running" not in words(state)


def test_a_backup_that_waits_is_not_said_to_be_made(words: Callable[[str], str]) -> None:
    text = words("waiting")

    assert "Your backup has not started yet." in text
    assert "Making a backup." not in text


def test_large_numbers_are_grouped(words: Callable[[str], str]) -> None:
    text = words("a-thousand")

    assert "1,000 of 1,000" in text
    assert "1,000/1,000" in text
    assert "25 of 1,000" in text


def test_meter_begins_below_its_word(reader: Callable[[str], Page], gallery: Gallery) -> None:
    page, starts = reader("en-GB"), {}
    for state in ("quota-of-one", "all-kept", "protected"):
        page.goto(gallery[state])
        starts[state] = page.locator(".puqb-meter").evaluate(
            "meter => meter.querySelector('rect').getBoundingClientRect().left - meter.getBoundingClientRect().left"
        )

    assert max(starts.values()) < 2, starts


@pytest.mark.parametrize("state", ["restore-failed", "damaged-and-missing"])
def test_kind_of_a_backup_has_one_line_on_a_desk(reader: Callable[[str], Page], gallery: Gallery, state: str) -> None:
    page = reader("en-GB")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(gallery[state])
    heights = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")

    assert len(set(heights)) == 1, heights


def test_missed_backup_has_a_next_step(words: Callable[[str], str]) -> None:
    assert "Make one now." in words("backup-missed")


def test_zone_of_the_times_is_named_once(words: Callable[[str], str]) -> None:
    assert words("protected").count("Times in Europe/London") == 1


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_no_sentence_ends_twice(reader: Callable[[str], Page], gallery: Gallery, locale: str) -> None:
    page = reader(locale)
    page.goto(gallery["protected"])

    assert ".." not in page.locator("#puqb").text_content()


def test_more_than_the_quota_is_seen_in_forced_colours(browser: Browser, gallery: Gallery) -> None:
    page = browser.new_page(forced_colors="active")
    page.goto(gallery["quota-lowered"])
    used, over = (
        page.locator(f".puqb-meter .puqb-{kind}").first.evaluate("bar => getComputedStyle(bar).fill")
        for kind in ("used", "over")
    )
    page.close()

    assert used != over


def test_print_has_no_controls_that_do_nothing(browser: Browser, gallery: Gallery) -> None:
    page = browser.new_page()
    page.goto(gallery["protected"])
    page.emulate_media(media="print")
    text = page.locator("#puqb").inner_text()
    page.close()

    assert not {"No changes", "Next five runs", "Backup now", "Restore"} & set(text.splitlines())


def test_description_in_another_script_stands_on_the_side_of_the_others(
    reader: Callable[[str], Page], gallery: Gallery
) -> None:
    page = reader("en-GB")
    page.goto(gallery["damaged-and-missing"])
    starts = page.locator("[data-puqb-note]").evaluate_all("all => all.map(one => one.getBoundingClientRect().left)")

    assert len(set(starts)) == 1


def test_last_backup_is_told_with_size_and_time(words: Callable[[str], str]) -> None:
    assert "The backup was made. Today, 02:04. 8.4 GiB in 4 mins" in words("protected")
