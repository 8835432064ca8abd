"""The browser that the tests are given."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect


def test_page_runs_in_a_real_browser(page: Page, shot: Callable[[Page, str], Path]) -> None:
    page.set_content("<dialog open><h1>Backups</h1></dialog>")

    expect(page.get_by_role("heading", name="Backups")).to_be_visible()
    assert shot(page, "environment").read_bytes().startswith(b"\x89PNG")
