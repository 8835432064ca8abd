"""`make gallery`: every state of the pages as a picture, with an index page, in build/gallery; and figures.

cd tests && python -m gallery [state …] [--views desk,phone-dark] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import html
import sys
import tempfile
from pathlib import Path

import time_machine
from playwright.sync_api import Browser, sync_playwright
from support import services
from support.http_server import serve

from . import figures, prepared_host, registry
from .served import build, take_step

DESK, PHONE, SMALL = {"width": 1280, "height": 900}, {"width": 390, "height": 844}, {"width": 320, "height": 700}
VIEWS: dict[str, tuple[dict[str, int], str, str]] = {
    "desk": (DESK, "light", "en-GB"), "desk-dark": (DESK, "dark", "en-GB"),
    "phone": (PHONE, "light", "en-GB"), "phone-dark": (PHONE, "dark", "en-GB"),
    "small": (SMALL, "light", "en-US"), "tablet": ({"width": 768, "height": 900}, "light", "en-GB"),
    "desk-de": (DESK, "light", "de"), "phone-de": (PHONE, "light", "de"),
    "desk-pl": (DESK, "light", "pl"), "desk-ar": (DESK, "light", "ar"), "phone-ar": (PHONE, "dark", "ar"),
}  # fmt: skip
"""The size of the window, light or dark, and the reader's language."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gallery")
    parser.add_argument("states", nargs="*", help="only these states; without any all of them")
    parser.add_argument("--views", default=",".join(VIEWS), help="only these views, separated by commas")
    parser.add_argument("--out", type=Path, default=services.ROOT / "build" / "gallery")
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    names = wanted.states or list(registry.STATES)
    views = wanted.views.split(",")
    with tempfile.TemporaryDirectory() as folder, time_machine.travel(prepared_host.NOW, tick=True):
        world = prepared_host.make(Path(folder))
        paths = {name: build(world, name) for name in names}
        with serve(world.app) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=services.chromium(), args=["--no-sandbox"])
            for view in views:
                shoot(browser, address, view, paths, wanted.out)
            if not wanted.states:
                sys.stdout.write(measure(browser, world, address, wanted.out / "figures.md"))
            browser.close()
    (wanted.out / "index.html").write_text(index(names, views))
    sys.stdout.write(f"{wanted.out / 'index.html'}\n")
    return 0


def measure(browser: Browser, world: prepared_host.worlds.World, address: str, out: Path) -> str:
    """The table of figures at 1, 25 and 1,000 backups, also written to `out`."""
    for number, name in enumerate(figures.SIZES, 1000):
        figures.fill(world, name, number)
    found = figures.table([figures.measure(browser, world, address, name) for name in figures.SIZES])
    out.write_text(found)
    return found


def shoot(browser: Browser, address: str, view: str, paths: dict[str, str], out: Path) -> None:
    """Take the pictures of one view."""
    size, scheme, locale = VIEWS[view]
    for name, path in paths.items():
        context = browser.new_context(
            viewport=size, color_scheme=scheme, locale=locale, timezone_id=prepared_host.ZONE,  # type: ignore[arg-type]  # VIEWS holds text
        )  # fmt: skip
        cookies = {"locale": locale} | ({"permissions": "view"} if "as=view" in path else {})
        context.add_cookies([{"name": key, "value": value, "url": address} for key, value in cookies.items()])
        page = context.new_page()
        page.clock.install(time=prepared_host.NOW)
        page.goto(address + path)
        take_step(page, name)
        page.screenshot(path=out / f"{name}.{view}.png", full_page="dialog" not in name)
        context.close()


def index(names: list[str], views: list[str]) -> str:
    """A page with all pictures, a row for each state."""
    rows = "".join(
        f"<h2>{html.escape(name)}</h2><p>"
        + "".join(
            f'<a href="{name}.{view}.png"><img src="{name}.{view}.png" alt="{view}" title="{view}"></a>'
            for view in views
        )
        for name in names
    )
    style = "img{height:22rem;margin:.25rem;border:1px solid #888}body{font-family:sans-serif}"
    return f'<!doctype html><meta charset="utf-8"><title>Gallery</title><style>{style}</style>{rows}'


if __name__ == "__main__":
    raise SystemExit(main())
