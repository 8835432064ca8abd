"""The browser that the tests are given."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect
from support.running_demo import Demo


def test_page_runs_in_a_real_browser(page: Page, shot: Callable[[Page, str], Path]) -> None:
    page.set_content("<dialog open><h1>Backups</h1></dialog>")

    expect(page.get_by_role("heading", name="Backups")).to_be_visible()
    assert shot(page, "environment").read_bytes().startswith(b"\x89PNG")


def test_demo_signs_a_customer_in(page: Page, demo: Demo) -> None:
    page.goto(demo.address)
    page.get_by_role("button", name="Alice Adams").click()

    expect(page.get_by_role("heading", name="Your services")).to_be_visible()
    expect(page.get_by_role("link", name="bakery-web", exact=True)).to_be_visible()
    expect(page.get_by_text("bobs-blog")).to_have_count(0)
