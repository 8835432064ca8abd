"""axe finds nothing on any state of the gallery, light and dark, and nothing runs out of a phone's window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from axe_playwright_python.sync_playwright import Axe
from gallery import browser_steps, prepared_host, registry
from gallery.__main__ import build
from playwright.sync_api import Browser
from support import http_server

NARROW = {"width": 320, "height": 700}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of each state's page."""
    with time_machine.travel(prepared_host.NOW, tick=True):
        world = prepared_host.make(Path(tmp_path_factory.mktemp("gallery")))
        paths = build(world, list(registry.STATES))
        with http_server.serve(world.app) as address:
            yield {name: address + path for name, path in paths.items()}


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
