"""The slot of the running operation is as high when it waits, runs, ends or fails, in each language and window."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gallery.served import Gallery
from playwright.sync_api import Page

STATES = (
    "protected", "waiting", "waiting-for-others", "starting-a-backup", "making-a-backup", "stuck",
    "restoring", "removing", "reinstalling", "restored-with-warnings", "backup-failed", "backup-missed",
    "locked-by-proxmox", "restore-failed",
)  # fmt: skip
HEIGHTS = {1280: 136, 390: 160, 360: 160, 320: 200}
"""Pixels by the width of the window; with room for a word that is longer elsewhere."""
READ = """async (addresses) => {
  const languages = [];
  window.slots = [];
  for (const address of addresses) {
    const page = new DOMParser().parseFromString(await (await fetch(address)).text(), "text/html");
    slots.push(page.querySelector("#puqb-live-activity"));
    languages.push(page.documentElement.lang);
  }
  return languages;
}"""
MEASURE = """() => slots.map((fresh) => {
  const slot = document.querySelector("#puqb-live-activity");
  slot.replaceChildren(...document.importNode(fresh, true).childNodes);
  if (fresh.dataset.tone) slot.dataset.tone = fresh.dataset.tone;
  return slot.offsetHeight;
})"""
"""The height with the slot of each state in turn, put in its place as the script does when the state changes."""


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_slot_is_as_high_whatever_happens(reader: Callable[[str], Page], gallery: Gallery, locale: str) -> None:
    page, found = reader(locale), {}
    page.goto(gallery["protected"])
    assert page.evaluate(READ, [gallery[name] for name in STATES]) == [locale] * len(STATES)
    for width in HEIGHTS:
        page.set_viewport_size({"width": width, "height": 900})
        found |= {(name, width): height for name, height in zip(STATES, page.evaluate(MEASURE), strict=True)}

    assert {key: height for key, height in found.items() if height != HEIGHTS[key[1]]} == {}


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_words_of_the_slot_keep_clear_of_its_button(
    reader: Callable[[str], Page], gallery: Gallery, locale: str
) -> None:
    page, gaps = reader(locale), {}
    for name in ("waiting", "making-a-backup"):
        page.goto(gallery[name])
        for width in HEIGHTS:
            page.set_viewport_size({"width": width, "height": 900})
            gaps[name, width] = page.locator("#puqb-live-activity").evaluate(
                """slot => {
                  const range = document.createRange();
                  const button = slot.querySelector(":scope > button").getBoundingClientRect();
                  range.selectNodeContents(slot.querySelector(":scope > div"));
                  const words = [...range.getClientRects()].filter((one) => one.width > 1
                    && one.width < slot.clientWidth - button.width
                    && one.bottom > button.top && one.top < button.bottom);
                  return Math.min(...words.map((one) => Math.max(button.left - one.right, one.left - button.right)));
                }"""
            )

    assert {key: gap for key, gap in gaps.items() if gap < 8} == {}
