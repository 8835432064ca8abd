"""Serves the client's page and `/state` from plain values over HTTP, under a strict content policy."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page, Request

from ..rendering import page

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'"


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
            held = self.state["backups"]
            listing = {"all": len(held), "newest": held[0]["id"] if held else ""}
            body = json.dumps({**self.state, "listing": listing})
            return body.encode(), "application/json", {"ETag": f'"{hash(body)}"'}
        if name in ("backups.js", "backups.css"):
            kind = "text/javascript" if name.endswith("js") else "text/css"
            return (files("puq_backups.web") / "static" / name).read_bytes(), kind, {}
        html = self.look if name == "look" and self.look else page(**self.vars)
        return html.encode(), "text/html; charset=utf-8", {}


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
