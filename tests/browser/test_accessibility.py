"""axe finds nothing on any state of the gallery, light and dark, and nothing runs out of a phone's window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from gallery import prepared_host, registry
from gallery.served import Gallery
from playwright.sync_api import Browser, Page
from support.thorough import THOROUGH

NARROW, WIDE = {"width": 320, "height": 700}, {"width": 1280, "height": 720}
MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
  const style = getComputedStyle(element);
  return style.animationName !== "none" || style.scrollBehavior === "smooth" || parseFloat(style.transitionDuration);
}).length"""
STARTED = """() => {
  document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  document.querySelectorAll("progress").forEach((bar) => { bar.value = 90; });
  return document.getAnimations().length;
}"""


FOUND = """async (options) => JSON.stringify((await axe.run({ resultTypes: ["violations"], ...options })).violations
  .map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 200)).slice(0, 3)]))"""
CONTRAST = """async (good) => {
  const known = new Set(good), behind = new Map([[null, ""]]);
  for (const element of document.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    const ground = [style.backgroundColor, style.backgroundImage, style.opacity, style.filter].join();
    const under = behind.get(element.parentElement);
    behind.set(element, ground === "rgba(0, 0, 0, 0),none,1,none" ? under : `${under}/${ground}`);
    const look = [behind.get(element), style.color, style.fontSize, style.fontWeight, style.textShadow].join();
    const written = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    delete element.dataset.look;
    if ((written || element.matches("input, select, textarea")) && !known.has(look)) {
      element.dataset.look = look;
      known.add(look);
    }
  }
  if (!document.querySelector("[data-look]")) return [[], []];
  const found = await axe.run("[data-look]", {
    runOnly: { type: "rule", values: ["color-contrast"] }, resultTypes: ["violations", "passes"], elementRef: true,
  });
  const nodes = (rules) => rules.flatMap((one) => one.nodes);
  return [nodes(found.violations).map((node) => node.html.slice(0, 200)).slice(0, 3),
    nodes(found.passes).map((node) => node.element.dataset.look).filter(Boolean)];
}"""
"""What lacks contrast, and the looks that have enough of it. A look is all of an element and of those around it that
contrast depends on; one element of each look that is not known as good is tested.
"""


@pytest.fixture(scope="module")
def good() -> list[str]:
    """Looks of the states before, light and dark, whose contrast axe has found good."""
    return []


@pytest.fixture(scope="module")
def still(browser: Browser) -> Iterator[Page]:
    """A page for all states without a reader's step: a new one for each costs more than to show them."""
    with opened(browser) as page:
        yield page


@contextmanager
def opened(browser: Browser) -> Iterator[Page]:
    # Without motion: a colour on its way from light to dark is neither.
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.clock.install(time=prepared_host.NOW)
    yield page
    context.close()


@pytest.mark.parametrize("name", registry.STATES)
def test_axe_finds_nothing_and_nothing_is_cut_off(
    browser: Browser, still: Page, gallery: Gallery, good: list[str], name: str
) -> None:
    with opened(browser) if name in registry.BROWSER_STEPS else nullcontext(still) as page:
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")
        gallery.show(page, name)
        page.evaluate(Axe().axe_script)
        light = json.loads(page.evaluate(FOUND, {"rules": {"color-contrast": {"enabled": False}}}))
        light += lacking(page, good)
        page.emulate_media(color_scheme="dark")
        dark = json.loads(page.evaluate(FOUND, {"runOnly": {"type": "rule", "values": ["link-in-text-block"]}}))
        dark += lacking(page, good)
        page.set_viewport_size(NARROW)
        width = page.evaluate("document.documentElement.scrollWidth")

    assert (light, dark) == ([], [])
    assert width <= NARROW["width"]


def lacking(page: Page, good: list[str]) -> list[str]:
    """The elements that lack contrast, of those whose look is not known as good. Adds to `good`."""
    found, enough = page.evaluate(CONTRAST, [] if THOROUGH else good)
    good += enough
    return list(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lack_of_contrast_is_seen_after_states_that_had_enough(
    still: Page, gallery: Gallery, scheme: Literal["light", "dark"]
) -> None:
    good: list[str] = []
    still.set_viewport_size(WIDE)
    still.emulate_media(color_scheme=scheme)
    gallery.show(still, "protected")
    still.evaluate(Axe().axe_script)
    assert lacking(still, good) == []
    gallery.show(still, "quota-full")
    still.evaluate(Axe().axe_script)
    still.locator(".puqb-quota").evaluate("quota => { quota.style = 'color: gray; background: dimgray' }")

    (found,) = lacking(still, good)
    assert "puqb-quota" in found


@pytest.mark.parametrize("wish", ["reduce", "no-preference"])
def test_nothing_moves_for_readers_who_want_less_motion(
    browser: Browser, gallery: Gallery, wish: Literal["reduce", "no-preference"]
) -> None:
    context = browser.new_context(reduced_motion=wish)
    page = context.new_page()
    page.clock.install(time=prepared_host.NOW)
    moving = {}
    for name in ("making-a-backup", "restore-failed", "restore-dialog"):
        gallery.show(page, name)
        moving[name] = page.evaluate(MOVING) + page.evaluate(STARTED)
    page.goto(f"{gallery.host}/admin/backups/")
    moving["staff"] = page.evaluate(MOVING) + page.evaluate(STARTED)
    context.close()

    assert any(moving.values()) is (wish == "no-preference"), moving
