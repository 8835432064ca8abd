"""axe finds nothing on any state of the gallery, light and dark, and nothing runs out of a phone's window."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from gallery import browser_steps, prepared_host, registry
from playwright.sync_api import Browser

NARROW = {"width": 320, "height": 700}
WIDTHS = (320, 390, 768, 960, 1000, 1280)
"""Just above and below the widths at which the layout changes, among others."""
MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return style.animationName !== "none" || style.scrollBehavior === "smooth" || parseFloat(style.transitionDuration);
}).length"""
STARTED = """() => {
  document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  document.querySelectorAll("progress").forEach((bar) => { bar.value = 90; });
  return document.getAnimations().length;
}"""


@pytest.mark.parametrize("name", registry.STATES)
def test_axe_finds_nothing_and_nothing_is_cut_off(browser: Browser, gallery: dict[str, str], name: str) -> None:
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.clock.install(time=prepared_host.NOW)
    page.goto(gallery[name])
    if step := registry.BROWSER_STEPS.get(name):
        getattr(browser_steps, step)(page)
    found = {"light": Axe().run(page).response["violations"]}
    page.emulate_media(color_scheme="dark")
    found["dark"] = Axe().run(page).response["violations"]
    page.set_viewport_size(NARROW)
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()

    assert {
        scheme: [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in violations]
        for scheme, violations in found.items()
    } == {"light": [], "dark": []}
    assert width <= NARROW["width"]


@pytest.mark.parametrize("locale", ["en-GB", "de", "pl", "ar"])
def test_nothing_is_wider_than_the_window_in_any_language(
    browser: Browser, gallery: dict[str, str], locale: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    wider = []
    for name in ("making-a-backup", "restore-failed", "damaged-and-missing", "quota-lowered"):
        context.add_cookies([{"name": "locale", "value": locale, "url": gallery[name]}])
        page.goto(gallery[name])
        assert page.locator("#puqb").get_attribute("lang") == locale
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wider.append((name, width))
    context.close()

    assert wider == []


@pytest.mark.parametrize("wish", ["reduce", "no-preference"])
def test_nothing_moves_for_readers_who_want_less_motion(
    browser: Browser, gallery: dict[str, str], wish: Literal["reduce", "no-preference"]
) -> None:
    context = browser.new_context(reduced_motion=wish)
    page = context.new_page()
    page.clock.install(time=prepared_host.NOW)
    moving = {}
    for name in ("making-a-backup", "restore-failed", "restore-dialog", "staff"):
        page.goto(
            gallery[name] if name in gallery else f"{gallery['protected'].split('/services')[0]}/admin/backups/"
        )
        if step := registry.BROWSER_STEPS.get(name):
            getattr(browser_steps, step)(page)
        moving[name] = page.evaluate(MOVING) + page.evaluate(STARTED)
    context.close()

    assert any(moving.values()) is (wish == "no-preference"), moving
