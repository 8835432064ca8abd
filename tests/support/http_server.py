"""A host application of this process behind real HTTP, for tests that move the clock or do the work themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from support.waiting import PATIENCE
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    """Requests are no news."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - its name in werkzeug
        """Say nothing."""


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """The address at which `app` answers, on a free port, until the end."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
