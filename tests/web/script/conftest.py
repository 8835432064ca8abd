"""A browser whose clock the test moves, on the page of a quiet service."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from .site import Site

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Playwright's own browser, else the system's Chromium."""
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = str(own) if own.exists() else shutil.which("chromium") or shutil.which("google-chrome")
        if not found:
            pytest.skip("no Chromium on this machine")
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of a quiet service."""
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture
def tab(chromium: Browser, site: Site) -> Iterator[Page]:
    """A tab whose clock the test moves on; it must not break the content policy or raise."""
    context = chromium.new_context()
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("console", lambda said: troubles.append(said.text) if "Content Security" in said.text else None)
    tab.clock.install()
    yield tab
    context.close()
    assert troubles == []
