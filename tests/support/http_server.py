"""A host application of this process behind real HTTP, for tests that move the clock or do the work themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from flask import Flask
from support.waiting import PATIENCE
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import ClosingIterator


class Quiet(WSGIRequestHandler):
    """Requests are no news."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - its name in werkzeug
        """Say nothing."""


def in_memory(app: Flask) -> Callable[[Any, Any], list[bytes]]:
    """The application with each answer read at once: werkzeug leaves a file open whose reader hangs up."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:
        with closing(ClosingIterator(app(environ, start_response))) as parts:
            return list(parts)

    return answer


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """The address at which `app` answers, on a free port, until the end."""
    server = make_server("127.0.0.1", 0, in_memory(app), threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
