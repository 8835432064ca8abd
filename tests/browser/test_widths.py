"""Nothing is wider than the window, and the list stays inside its card: in each language, with the longest words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gallery.served import Gallery
from playwright.sync_api import Page

STATES = (
    "making-a-backup", "restore-failed", "damaged-and-missing", "quota-lowered", "in-the-bin-without-a-free-place",
)  # fmt: skip
WIDTHS = (320, 390, 768, 960, 1000, 1280)
"""Just above and below the widths at which the layout changes, among others."""
CARD = (390, 1000, 1280)
"""Of these, the ones at which the list stays inside its card."""
OVER = """() => {
  const room = document.querySelector("#puqb-live-list").getBoundingClientRect();
  return [...document.querySelectorAll(".puqb-list tbody :is(td, button, summary)")]
    .map((one) => one.getBoundingClientRect())
    .filter((box) => box.width && (box.right > room.right + 1 || box.left < room.left - 1)).length;
}"""


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_nothing_is_wider_than_its_place_in_any_language(
    reader: Callable[[str], Page], gallery: Gallery, locale: str
) -> None:
    page, wider, over = reader(locale), [], []
    for name in STATES:
        page.goto(gallery[name])
        assert page.locator("html").get_attribute("lang") == locale
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wider.append((name, width))
            if width in CARD and page.evaluate(OVER):
                over.append((name, width))

    assert (wider, over) == ([], [])


@pytest.mark.parametrize("locale", ["de", "pl"])
def test_names_of_the_days_are_not_broken(reader: Callable[[str], Page], gallery: Gallery, locale: str) -> None:
    page, broken = reader(locale), []
    page.goto(gallery["protected"])
    for width in (*WIDTHS, 930):
        page.set_viewport_size({"width": width, "height": 900})
        names = page.locator(".puqb-day-name").evaluate_all(
            """all => all.filter((one) => {
              const range = document.createRange();
              range.selectNodeContents(one);
              return new Set([...range.getClientRects()].map((line) => line.top)).size > 1;
            }).map((one) => one.textContent)"""
        )
        broken += [(width, name) for name in names]

    assert broken == []


def test_meters_of_a_phone_stand_side_by_side(reader: Callable[[str], Page], gallery: Gallery) -> None:
    page = reader("de")
    page.goto(gallery["protected"])
    for width in (320, 360, 390):
        page.set_viewport_size({"width": width, "height": 900})
        curve, meter = (page.locator(f".puqb-{name}").bounding_box() for name in ("curve", "meter"))
        middles = [box["y"] + box["height"] / 2 for box in (curve, meter) if box]
        assert abs(middles[0] - middles[1]) < 2, width


def test_head_of_a_small_phone_has_one_edge(reader: Callable[[str], Page], gallery: Gallery) -> None:
    page = reader("en-GB")
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(gallery["protected"])
    head, status = (
        page.locator(f"{one} >> nth=0").bounding_box() for one in (".puqb-head", ".puqb-head > .puqb-end")
    )

    assert head
    assert status
    assert abs(head["x"] + head["width"] - status["x"] - status["width"]) < 1


def test_words_of_the_facts_begin_in_one_line(reader: Callable[[str], Page], gallery: Gallery) -> None:
    page = reader("en-GB")
    page.set_viewport_size({"width": 768, "height": 900})
    page.goto(gallery["protected"])
    tops = page.locator(".puqb-fact > :last-child").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().top)"
    )

    assert len(set(tops)) == 1, tops
