"""The slot of the running operation is as high when it waits, runs, ends or fails, in each language and window."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

STATES = (
    "protected", "waiting", "waiting-for-others", "starting-a-backup", "making-a-backup", "stuck",
    "restoring", "removing", "reinstalling", "restored-with-warnings", "backup-failed", "backup-missed",
    "locked-by-proxmox", "restore-failed",
)  # fmt: skip
HEIGHTS = {1280: 136, 390: 200, 320: 200}
"""Pixels by the width of the window; with room for a word that is longer elsewhere."""


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_slot_is_as_high_whatever_happens(
    reader: Callable[[str], Page], gallery: dict[str, str], locale: str
) -> None:
    page, found = reader(locale), {}
    for name in STATES:
        page.goto(gallery[name])
        assert page.locator("html").get_attribute("lang") == locale
        for width in HEIGHTS:
            page.set_viewport_size({"width": width, "height": 900})
            found[name, width] = page.locator("#puqb-live-activity").evaluate("slot => slot.offsetHeight")

    assert {key: height for key, height in found.items() if height != HEIGHTS[key[1]]} == {}
