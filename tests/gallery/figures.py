"""Figures of the client's page at 1, 25 and 1,000 backups: `make gallery` prints them, and
tests/browser/test_figures.py holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import has_request_context, request
from playwright.sync_api import Browser, Page
from sqlalchemy import event
from support import world as worlds
from support.waiting import wait_until

from puq_backups.inventory import protection
from puq_backups.models import Operation, Service

from . import page_states, prepared_host

SIZES = {"one": 1, "twenty-five": 25, "thousand": 1000}
"""Backups by the id of the service; none is the name of a state of the gallery, which has both."""
WINDOWS = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
POLL = 16_000
"""Milliseconds after which an idle page has asked again."""

COUNTED = "X-Counted"

SHIFTS = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  let sum = 0;
  const add = (entries) => entries.forEach((entry) => { sum += entry.value; });
  await frame();
  const observer = new PerformanceObserver((list) => add(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });
  await frame();
  await frame();
  add(observer.takeRecords());
  return sum;
}"""
DIALOG = """() => {
  const button = document.querySelector("[data-puqb-opens=puqb-restore]:enabled"), began = performance.now();
  button.click();
  document.querySelector("#puqb-restore").getBoundingClientRect();
  return performance.now() - began;
}"""


@dataclass(frozen=True)
class Figures:
    """`bytes` of the HTML, elements, requests and database queries of a first load; `shift` is the layout shift while
    an operation starts, moves and ends, by window; `dialog` the milliseconds until the restore dialog is laid out.
    """

    backups: int
    bytes: int
    nodes: int
    requests: int
    queries: int
    shift: dict[str, float]
    dialog: float


def fill(world: worlds.World, name: str, number: int) -> None:
    """Make a service with so many backups."""
    with world.context.database.begin() as session:
        prepared = prepared_host.prepare(session, name, number, quota=SIZES[name] + 30)
        if name == "thousand":
            page_states.a_thousand(prepared)
        else:
            prepared.schedule()
            prepared.nightly(*range(SIZES[name]))
        session.flush()
        protection.update(session, world.context.settings, [prepared.service])


def measure(browser: Browser, world: worlds.World, address: str, name: str) -> Figures:
    """The figures of one service that `fill` made."""
    url = f"{address}/services/{name}/backups/"
    page, requests = opened(browser, "desk"), []
    page.on("request", lambda request: requests.append(request.url))
    answer = page.goto(url, wait_until="networkidle")
    assert answer
    size, asked = len(answer.body()), [one for one in requests if not one.endswith("favicon.ico")]
    nodes, dialog = page.evaluate("document.querySelectorAll('*').length"), page.evaluate(DIALOG)
    with counted(world) as queries:
        page.request.get(url, headers={COUNTED: "yes"})
    page.context.close()
    shift = {window: shifted(browser, world, url, name, window) for window in WINDOWS}
    return Figures(SIZES[name], size, nodes, len(asked), len(queries), shift, dialog)


def opened(browser: Browser, window: str) -> Page:
    return browser.new_context(viewport=WINDOWS[window], locale="en-GB", timezone_id=prepared_host.ZONE).new_page()  # type: ignore[arg-type]  # a TypedDict there


def shifted(browser: Browser, world: worlds.World, url: str, name: str, window: str) -> float:
    """Layout shift from the start of a backup to its end, with the page at its top."""
    page = opened(browser, window)
    page.clock.install(time=prepared_host.NOW)
    page.goto(url, wait_until="networkidle")
    before = page.evaluate(SHIFTS)
    moved = {"done": 11 * prepared_host.GIB, "total": 32 * prepared_host.GIB, "rate": 142 * 1024**2}
    begun = begin(world, name, started_at=prepared_host.NOW, step="find_vm")
    seen(page, "Making a backup")
    for done in (10, 60):
        change(world, begun, step="make_archive", upid="UPID:x", progress=done, data={"bytes": moved})
        seen(page, f"{done}%")
    change(world, begun, state="done", lock=None, finished_at=prepared_host.NOW + timedelta(minutes=4))
    seen(page, "The backup was made")
    after = page.evaluate(SHIFTS)
    page.context.close()
    return round(float(after - before), 4)


def seen(page: Page, words: str) -> None:
    """Let the page ask until its slot of the running operation says these words."""
    slot = page.locator("#puqb-live-activity")

    def look() -> bool:
        # The page sets its timer when an answer has come, so its clock is moved until it has.
        page.clock.fast_forward(POLL)
        page.wait_for_timeout(20)
        return words in slot.inner_text()

    wait_until(look, slot.inner_text)


def begin(world: worlds.World, name: str, **values: Any) -> str:
    with world.context.database.begin() as session:
        prepared = prepared_host.PreparedService(session, session.get_one(Service, name))
        return prepared.operation("backup", "running", prepared_host.NOW, **values).id


def change(world: worlds.World, operation_id: str, **values: Any) -> None:
    with world.context.database.begin() as session:
        operation = session.get_one(Operation, operation_id)
        for key, value in values.items():
            setattr(operation, key, value)


@contextmanager
def counted(world: worlds.World) -> Iterator[list[str]]:
    """The statements that the database gets meanwhile from a request with the header `COUNTED`.

    The page that is open may ask for /state at the same time. What a new connection sets for itself is left out.
    """
    engine, found = world.context.database.engine, []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if has_request_context() and COUNTED in request.headers and not statement.startswith("PRAGMA"):
            found.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def table(found: list[Figures]) -> str:
    """The figures as a table in Markdown."""
    rows = [
        f"| {one.backups:,} | {one.bytes:,} | {one.nodes:,} | {one.requests} | {one.queries} | {one.shift['desk']} "
        f"| {one.shift['phone']} | {one.dialog:.0f} |"
        for one in found
    ]
    head = "| backups | bytes of HTML | nodes | requests | queries | layout shift, desk | phone | dialog, ms |"
    return "\n".join([head, "|---" * 8 + "|", *rows, ""])
