"""A real browser: `browser` (one for each test file), `page` (one for each test, without errors on its console).

`demo` is the running demo, one for this folder: `page.goto(demo.address)`.
`gallery[name]` is the address of a state of the gallery, `gallery.host` that of its host application.
`world` is a host application of this process where Alice is signed in, at `address`: its clock may be moved.
A page whose test failed leaves a picture in tests/screenshots/; `shot(page, name)` takes one on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gallery import prepared_host, served
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support import http_server, services
from support import world as worlds
from support.running_demo import Demo
from support.waiting import PATIENCE

from puq_backups.simulator import Simulator

SCREENSHOTS = services.ROOT / "tests" / "screenshots"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    item.stash[failed] = report.failed or item.stash.get(failed, False)
    return report


# Not for the session: Playwright's loop would stay in the way of whoever starts another one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = services.chromium()
    if not executable:
        pytest.skip(services.left_out["browser"])
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    # A page may load from this machine only; anything else is an error on the console.
    context.route(lambda url: not url.startswith(LOCAL), lambda route: route.abort())
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield page
    if request.node.stash.get(failed, False):
        take_shot(page, request.node.name)
    context.close()
    expected = request.node.get_closest_marker("console_errors")
    known = expected.args if expected else ()
    assert [error for error in errors if not any(words in error for words in known)] == []


LOCAL = ("http://127.0.0.1:", "http://localhost:", "data:", "blob:", "about:")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    demo = Demo()
    yield demo
    demo.end()


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    found.register()
    found.host.actor = worlds.ALICE
    yield found
    found.context.database.engine.dispose()


@pytest.fixture
def address(world: worlds.World) -> Iterator[str]:
    with http_server.serve(world.app) as found:
        yield found


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[served.Gallery]:
    with served.serve(tmp_path_factory.mktemp("gallery")) as gallery:
        yield gallery


@pytest.fixture
def reader(browser: Browser, gallery: served.Gallery) -> Iterator[Callable[[str], Page]]:
    """Opens a page of the gallery's host for somebody who reads a language."""
    contexts = []

    def of(locale: str) -> Page:
        contexts.append(browser.new_context(locale=locale, timezone_id=prepared_host.ZONE))
        contexts[-1].add_cookies([{"name": "locale", "value": locale, "url": gallery.host}])
        return contexts[-1].new_page()

    yield of
    for context in contexts:
        context.close()


@pytest.fixture
def shot() -> Callable[[Page, str], Path]:
    return take_shot


def take_shot(page: Page, name: str) -> Path:
    """A picture of the whole page in tests/screenshots/."""
    SCREENSHOTS.mkdir(exist_ok=True)
    path = SCREENSHOTS / f"{''.join(c if c.isalnum() or c in '-_' else '_' for c in name)}.png"
    page.screenshot(path=path, full_page=True)
    return path
