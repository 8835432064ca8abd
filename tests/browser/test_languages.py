"""The client's page in each language, from both sides: its words, its direction, its numbers, on desk and phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Response
from playwright.sync_api import Locator, Page, expect
from support import world as worlds

Shot = Callable[[Page, str], Path]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
NOTE = "قبل التحديث (v2.1)"
"""A note in two directions, which ends with a sign that has none."""

WORDS = {
    "en": ("ltr", "Scheduled Automatic Backups", "Sunday", "Restore", "Type {} to confirm"),
    "de": ("ltr", "Geplante automatische Backups", "Sonntag", "Wiederherstellen", "Geben Sie zur Bestätigung {} ein"),
    "pl": (
        "ltr", "Automatyczne kopie zapasowe według harmonogramu", "niedziela", "Przywróć", "Aby potwierdzić, wpisz {}"
    ),
    "ar": ("rtl", "النسخ الاحتياطي التلقائي المجدول", "الأحد", "استعادة", "اكتب {} للتأكيد"),
}  # fmt: skip
ENGLISH = re.compile(r"\b(backup|restore|schedule|remove|keep|the|this|machine|next)\b", re.IGNORECASE)
ISOLATES = "[\u2068\u2069]*"


@pytest.fixture
def kept(world: worlds.World) -> Iterator[worlds.World]:
    """A week, three backups of which the oldest goes next, and a strict policy for all that is loaded."""
    world.app.after_request(guarded)
    days = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "03:30" for day in range(7)}
    assert world.call("SaveSchedule", timezone="Europe/Warsaw", **days) == "success"
    for note in ("before the update", NOTE, "third"):
        world.back_up(note)
    return world


def guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response


def test_page_speaks_each_language_from_its_own_side(
    page: Page, kept: worlds.World, address: str, shot: Shot
) -> None:
    name = kept.service().vm_name
    for locale, (direction, heading, sunday, restore, confirm) in WORDS.items():
        kept.host.actor = replace(worlds.ALICE, locale=locale)
        page.set_viewport_size(DESK)
        page.goto(f"{address}/services/1/backups/")

        html = page.locator("html")
        expect(html).to_have_attribute("lang", locale)
        expect(html).to_have_attribute("dir", direction)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_label(sunday, exact=True)).to_be_visible()
        assert only(locale, page.locator("main")) == []
        assert begins(page.locator(".puqb-when").first, page) == direction
        assert begins(page.locator("#puqb-schedule-title"), page) == direction
        if direction == "rtl":
            sees_directions_kept(page)
        shot(page, f"language-{locale}")

        page.locator(".puqb-do .puqb-button", has_text=re.compile(f"^{restore}")).first.click()
        dialog = page.get_by_role("dialog")
        label = re.compile(re.escape(confirm).replace(r"\{\}", f"{ISOLATES}{re.escape(name)}{ISOLATES}"))
        expect(dialog.get_by_label(label)).to_be_focused()
        assert only(locale, dialog) == []
        shot(page, f"language-{locale}-dialog")
        page.keyboard.press("Escape")

        page.set_viewport_size(PHONE)
        shot(page, f"language-{locale}-phone")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def only(locale: str, part: Locator) -> list[str]:
    """The English words in a part of a page that is not in English; notes and time zones may hold any."""
    said = part.evaluate(
        "part => { const copy = part.cloneNode(true); "
        "copy.querySelectorAll('bdi, select, datalist, dialog dialog').forEach(one => one.remove()); "
        "return copy.textContent; }"
    )
    return [] if locale == "en" else [word for word in ENGLISH.findall(said) if (locale, word) != ("de", "Backup")]


def begins(part: Locator, page: Page) -> str:
    """On which side of the page a part stands: "ltr" left, "rtl" right."""
    box = part.evaluate("part => { const range = document.createRange(); range.selectNodeContents(part); "
                        "const {left, right} = range.getBoundingClientRect(); return [left, right]; }")  # fmt: skip
    return "ltr" if box[0] < page.viewport_size["width"] - box[1] else "rtl"  # type: ignore[index]  # it was set


def sees_directions_kept(page: Page) -> None:
    """In a page from right to left 3/3 is not turned, and what is written from left to right begins there."""
    for part in (page.locator(".puqb-quota"), page.locator(".puqb-size bdi").first):
        places = places_of(part)
        assert len(places) > 2
        assert places == sorted(places)
    places = places_of(page.locator("[data-puqb-note]", has_text="v2.1"))
    assert places[0] == max(places)
    assert places[-1] == min(places), "the closing bracket stands at the end of a line from right to left"


def places_of(part: Locator) -> list[float]:
    """Where each sign of a text stands, from the left edge, in the order in which they are written."""
    found: list[float] = part.evaluate("""part => {
        const text = document.createTreeWalker(part, NodeFilter.SHOW_TEXT).nextNode(), range = document.createRange();
        return [...text.data].flatMap((char, at) => {
            range.setStart(text, at); range.setEnd(text, at + 1);
            return /[\\s\u2068\u2069]/.test(char) ? [] : [range.getBoundingClientRect().left]; }); }""")
    return found
