"""The list stays inside its card in each language, with the longest words and the most buttons."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

STATES = ("damaged-and-missing", "in-the-bin-without-a-free-place", "restore-failed")
WIDTHS = (1280, 1000, 390)
OVER = """() => {
  const room = document.querySelector("#puqb-live-list").getBoundingClientRect();
  return [...document.querySelectorAll(".puqb-list tbody :is(td, button, summary)")]
    .map((one) => one.getBoundingClientRect())
    .filter((box) => box.width && (box.right > room.right + 1 || box.left < room.left - 1)).length;
}"""


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_list_stays_inside_its_card(reader: Callable[[str], Page], gallery: dict[str, str], locale: str) -> None:
    page, found = reader(locale), {}
    for name in STATES:
        page.goto(gallery[name])
        assert page.locator("html").get_attribute("lang") == locale
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            found[name, width] = page.evaluate(OVER)

    assert {key: over for key, over in found.items() if over} == {}
