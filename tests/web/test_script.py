"""backups.js in a real browser under a strict content policy: what moves by itself and what is left alone."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from .page_values import a_backup, an_operation
from .rendering import confirmation, page

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'"
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


class Site:
    """A page and its state over real HTTP; `posts` are the paths that were posted to, in order.

    `look` is the page that confirms a restore; without it that address has the page of all backups.
    """

    def __init__(self) -> None:
        self.vars: dict[str, Any] = {}
        self.posts: list[str] = []
        self.look: str | None = None
        self.after: dict[str, Any] | None = None
        """What the page shows once something was posted."""
        self.state: dict[str, Any] = {"operation": None, "locked": False, "backups": [{"id": "b1"}]}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body, kind, headers = site.answer(self.path)
                tag = headers.get("ETag")
                fresh = tag is not None and tag == self.headers.get("If-None-Match")
                self.send(304 if fresh else 200, b"" if fresh else body, kind, headers)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                site.posts.append(self.path)
                site.vars = site.after if site.after is not None else site.vars
                body, kind, headers = site.answer("/")
                self.send(200, body, kind, headers)

            def send(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Security-Policy": POLICY, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep the test's output quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/s/1/backups/"

    def answer(self, path: str) -> tuple[bytes, str, dict[str, str]]:
        """Body, content type and headers for a path."""
        name = path.rsplit("/", 1)[-1]
        if name == "state":
            body = json.dumps(self.state)
            return body.encode(), "application/json", {"ETag": f'"{hash(body)}"'}
        if name in ("backups.js", "backups.css"):
            kind = "text/javascript" if name.endswith("js") else "text/css"
            return (files("puq_backups.web") / "static" / name).read_bytes(), kind, {}
        html = self.look if name == "look" and self.look else page(**self.vars)
        return html.encode(), "text/html; charset=utf-8", {}


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


def turn(site: Site, tab: Page) -> None:
    """Let the page's time pass until it polls and that poll has ended, with an answer or without.

    In small steps: the poll's timer is set only when the page has read the answer before, at any moment of real time.
    """
    polls: list[Request] = []
    ended: list[Request] = []

    def begin(request: Request) -> None:
        if request.url.endswith("/state"):
            polls.append(request)

    def end(request: Request) -> None:
        if request in polls:
            ended.append(request)

    tab.on("request", begin)
    tab.on("requestfinished", end)
    tab.on("requestfailed", end)
    for _ in range(1000):
        tab.clock.run_for(1000)
        if ended:
            break
    tab.remove_listener("request", begin)
    tab.remove_listener("requestfinished", end)
    tab.remove_listener("requestfailed", end)
    assert ended, f"the page no longer asks {site.url}"


def running(site: Site, operation: dict[str, Any], **state: Any) -> None:
    """Have an operation run, on the page and in the state alike."""
    site.vars["operation"] = operation
    told = {key: operation[key] for key in ("id", "state", "step", "progress", "bytes", "seconds_left")}
    site.state = {**site.state, "operation": told, "locked": True, **state}


def test_progress_moves_in_place(site: Site, tab: Page) -> None:
    running(site, an_operation(progress=42))
    tab.goto(site.url)
    tab.locator("[data-puqb-operation]").evaluate("node => { node.dataset.mark = 'same' }")

    site.state["operation"]["progress"] = 77
    turn(site, tab)

    expect(tab.locator("[data-puqb-left]")).to_have_text("77%")
    expect(tab.locator("[data-puqb-progress]")).to_have_attribute("value", "77")
    expect(tab.locator("[data-mark=same]")).to_be_visible()


def test_bytes_of_a_restore_move_in_place_as_its_language_writes_them(site: Site, tab: Page) -> None:
    moved = {"done": 2**30, "total": 32 * 2**30, "rate": None}
    running(site, an_operation(kind="restore", bytes=moved))
    tab.goto(site.url)
    expect(tab.locator("[data-puqb-bytes]")).to_have_text(": 1 GiB of 32 GiB")
    tab.locator("#puqb").evaluate("node => { node.lang = 'de' }")

    rate = 142 * 2**20
    site.state["operation"] |= {
        "progress": 50,
        "bytes": {**moved, "done": 33 * 2**29, "rate": rate},
        "seconds_left": 90,
    }
    turn(site, tab)

    expect(tab.locator("[data-puqb-bytes]")).to_have_text(": 16,5 GiB of 32 GiB")
    expect(tab.locator("[data-puqb-rate]")).to_have_text("142 MiB/s")
    expect(tab.locator("[data-puqb-left]")).to_have_text("50\u00a0%, 2 Min. left")


def test_dialog_shows_what_exactly_will_happen_once_it_is_known(site: Site, tab: Page) -> None:
    site.vars, site.look = {"safety_copy": "offer"}, confirmation()
    tab.goto(site.url)
    tab.get_by_role("button", name="Restore").click()

    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("The disk scsi0 goes back.")).to_be_visible()
    expect(dialog.get_by_text("about 7 minutes")).to_be_visible()
    expect(tab.get_by_label("Type web-1 to confirm")).to_be_focused()
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_disabled()
    tab.get_by_label("Type web-1 to confirm").fill(" WEB-1")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_enabled()
    tab.keyboard.press("Escape")

    site.look = confirmation(blocked=["The file is gone."], safety_against="There is no room.")
    tab.get_by_role("button", name="Restore").click()
    expect(dialog.get_by_text("The file is gone.")).to_be_visible()
    tab.get_by_label("Type web-1 to confirm").fill("web-1")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_disabled()


def test_dialog_keeps_what_every_restore_does_where_more_cannot_be_known(site: Site, tab: Page) -> None:
    site.vars = {"safety_copy": "offer", "backups": [a_backup(1, note="the first"), a_backup(2)]}
    tab.goto(site.url)
    with tab.expect_response("**/look"):
        tab.get_by_role("button", name="Restore").nth(1).click()

    dialog = tab.get_by_role("dialog")
    expect(dialog.get_by_text("All snapshots of the server are deleted.")).to_be_visible()
    expect(dialog.locator("form")).to_have_attribute("action", f"{site.url}b2/look")
    tab.get_by_label("Type web-1 to confirm").fill("web-1")
    expect(dialog.get_by_role("button", name="Restore backup")).to_be_enabled()


def test_end_of_an_operation_shows_without_losing_what_is_typed(site: Site, tab: Page) -> None:
    running(site, an_operation())
    tab.goto(site.url)
    tab.get_by_label("Backups notes").fill("half a sentence")
    tab.get_by_label("Time on Sunday").fill("04:30")

    site.vars = {"backups": [a_backup(0, note="made just now"), a_backup(1)], "quota": {"used": 2, "limit": 10}}
    site.state = {"operation": None, "locked": False, "backups": [{"id": "b0"}, {"id": "b1"}]}
    turn(site, tab)

    expect(tab.get_by_text("made just now").first).to_be_visible()
    expect(tab.get_by_text("2/10")).to_be_visible()
    expect(tab.locator("[data-puqb-operation]")).to_have_count(0)
    expect(tab.get_by_label("Backups notes")).to_have_value("half a sentence")
    expect(tab.get_by_label("Time on Sunday")).to_have_value("04:30")


def test_first_backup_that_appears_can_be_restored_at_once(site: Site, tab: Page) -> None:
    site.vars, site.state = {"backups": []}, {"operation": None, "locked": False, "backups": []}
    tab.goto(site.url)
    expect(tab.get_by_text("There are no backups yet.")).to_be_visible()

    site.vars, site.state = {}, {**site.state, "backups": [{"id": "b1"}]}
    turn(site, tab)
    tab.get_by_role("button", name="Restore").click()

    expect(tab.get_by_label("Type web-1 to confirm")).to_be_focused()


def test_change_between_page_and_first_poll_is_seen(site: Site, tab: Page) -> None:
    site.vars = {"operation": an_operation()}
    tab.goto(f"{site.url}#stale")
    expect(tab.locator("[data-puqb-operation]")).to_have_count(1)

    site.vars = {}
    turn(site, tab)

    expect(tab.locator("[data-puqb-operation]")).to_have_count(0)


def test_open_dialog_is_left_alone_until_it_is_closed(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    tab.get_by_role("button", name="Restore").click()
    tab.get_by_label("Type web-1 to confirm").fill("web")

    site.vars = {"backups": [a_backup(0, note="made just now"), a_backup(1)]}
    site.state = {**site.state, "backups": [{"id": "b0"}, {"id": "b1"}]}
    turn(site, tab)

    expect(tab.get_by_label("Type web-1 to confirm")).to_have_value("web")
    tab.keyboard.press("Escape")
    turn(site, tab)
    expect(tab.get_by_text("made just now").first).to_be_visible()


def test_dialog_is_modal_and_gives_the_focus_back(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    opener = tab.get_by_role("button", name="Remove")
    opener.click()

    assert tab.locator("dialog:modal").count() == 1
    tab.get_by_role("button", name="Cancel").click()
    expect(tab.locator("dialog:modal")).to_have_count(0)
    expect(opener).to_be_focused()


def test_second_click_posts_nothing_more(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    with tab.expect_response("**/create"):
        tab.locator("#puqb-create").dblclick()

    assert site.posts == ["/s/1/backups/create"]


def test_lost_connection_is_admitted_and_recovers(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    offline = tab.locator("[data-puqb-offline]")
    tab.route("**/state", lambda route: route.abort())

    turn(site, tab)
    turn(site, tab)
    expect(offline).to_be_visible()

    tab.unroute("**/state")
    turn(site, tab)
    expect(offline).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "said"), [(401, "until you sign in again"), (403, "may no longer see"), (404, "no longer found")]
)
def test_what_stands_between_page_and_server_is_said(site: Site, tab: Page, status: int, said: str) -> None:
    tab.goto(site.url)
    expect(tab.locator("[data-puqb-trouble]")).to_be_hidden()
    tab.route("**/state", lambda route: route.fulfill(status=status))

    turn(site, tab)

    expect(tab.locator("[data-puqb-trouble]").get_by_text(said)).to_be_visible()


def test_server_that_asks_for_time_is_given_it(site: Site, tab: Page) -> None:
    tab.add_init_script(
        "const ask = fetch; window.asked = []; window.fetch = (...args) => (asked.push(Date.now()), ask(...args))"
    )
    tab.route("**/state", lambda route: route.fulfill(status=503, headers={"Retry-After": "120"}))
    tab.goto(site.url)

    turn(site, tab)
    turn(site, tab)

    first, second, *_ = tab.evaluate("asked")
    assert second - first >= 120_000


def test_keep_is_sent_in_place_and_says_so(site: Site, tab: Page) -> None:
    site.after = {"message": "Backup kept.", "backups": [a_backup(1, kept=True), a_backup(2)]}
    site.vars = {"backups": [a_backup(1), a_backup(2)]}
    tab.goto(site.url)
    tab.get_by_label("Time on Sunday").fill("04:30")
    tab.locator(".puqb-more > summary").first.click()
    tab.get_by_role("button", name="Keep").first.click()

    expect(tab.get_by_text("Backup kept.").first).to_be_visible()
    expect(tab.locator(".puqb-marks").first).to_contain_text("Kept")
    expect(tab.locator(".puqb-more > summary").first).to_be_focused()
    expect(tab.get_by_label("Time on Sunday")).to_have_value("04:30")
    assert site.posts == ["/s/1/backups/b1/keep"]


def test_description_is_edited_in_its_row_and_can_be_left(site: Site, tab: Page) -> None:
    site.after = {"backups": [a_backup(1, note="new words")]}
    tab.goto(site.url)
    tab.locator(".puqb-more > summary").click()
    tab.get_by_role("button", name="Edit description").click()
    expect(tab.get_by_label("Description", exact=True)).to_have_value("Note 1")
    expect(tab.get_by_label("Description", exact=True)).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.get_by_label("Description", exact=True)).to_have_count(0)

    tab.locator(".puqb-more > summary").click()
    tab.get_by_role("button", name="Edit description").click()
    tab.get_by_label("Description", exact=True).fill("new words")
    tab.keyboard.press("Enter")

    expect(tab.get_by_text("new words").first).to_be_visible()
    assert site.posts == ["/s/1/backups/b1/note"]


def test_save_is_off_until_something_changed_and_all_days_can_be_set(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    save = tab.get_by_role("button", name="Save Schedule")
    expect(save).to_be_disabled()
    tab.get_by_label("Same time for all days").fill("05:15")
    tab.get_by_role("button", name="Set all days").click()

    expect(save).to_be_enabled()
    for day in range(7):
        expect(tab.locator(f"#puqb-time_{day}")).to_have_value("05:15")
        expect(tab.locator(f"#puqb-day_{day}")).to_be_checked()


def test_zone_is_found_by_its_city_and_its_time_is_told(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    zone = tab.get_by_label("Time zone")
    zone.fill("nowhere/x")
    expect(tab.get_by_text("There is no such time zone.")).to_be_visible()
    zone.fill("kyiv")
    zone.blur()

    expect(zone).to_have_value("Europe/Kyiv")
    expect(tab.locator("#puqb-zone-now")).to_contain_text("there now")


def test_menu_closes_by_escape_and_by_a_click_elsewhere(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    menu = tab.locator(".puqb-more")
    tab.locator(".puqb-more > summary").click()
    tab.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    tab.locator(".puqb-more > summary").click()
    tab.get_by_role("heading", name="web-1").click()

    expect(menu).not_to_have_attribute("open", "")


def test_restore_of_the_first_row_is_reached_in_few_tabs(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    reached = []
    while len(reached) < 20 and "puqb-restore" not in reached:
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.dataset.puqbOpens"))
    assert reached[-1] == "puqb-restore"


def test_unsaved_schedule_says_so_and_asks_before_leaving(site: Site, tab: Page) -> None:
    tab.goto(site.url)
    tab.get_by_label("Tuesday", exact=True).check()
    asked: list[str] = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))

    expect(tab.get_by_text("Changes are not saved yet.")).to_be_visible()
    tab.goto("about:blank")

    assert asked == ["beforeunload"]


def test_page_without_script_still_confirms_before_it_removes(site: Site, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(site.url)

    expect(tab.get_by_role("button", name="Remove backup")).to_be_hidden()
    tab.get_by_role("button", name="Remove").click()
    tab.wait_for_url("**/b1/remove*")
    context.close()

    assert site.posts == []


@pytest.mark.parametrize("width", [320, 390, 700, 940, 1400])
def test_nothing_runs_out_of_the_window(site: Site, tab: Page, width: int) -> None:
    site.vars = {"backups": [a_backup(1, note="x" * 255, kept=True), a_backup(2, note="words " * 40)]}
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(site.url)

    assert tab.evaluate("document.documentElement.scrollWidth") <= width
