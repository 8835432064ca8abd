"""HTTPS on 127.0.0.1 as pveproxy speaks it: keep-alive, Date, reason phrases."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..answers import ConnectionCut
from .dispatch import Answer, Backend, Request, answer

IDLE_SECONDS = 5.0


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: Server

    def log_message(self, *args: object) -> None:
        """Log nothing; `GET /simulator/requests` has the requests."""

    def _serve(self) -> None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else b""
            kind = self.headers.get("Content-Type", "")
            request = Request(self.command, self.path, body, kind, self.headers.get("Authorization"))
            self._send(answer(self.server.backend, request))
        except ConnectionCut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

    def _send(self, made: Answer) -> None:
        self.send_response_only(made.status, made.reason)
        for name, value in made.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(made.payload)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1; the TLS handshake is made in the connection's own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, backend: Backend, port: int, context: ssl.SSLContext) -> None:
        self.backend = backend
        self.context = context
        super().__init__(("127.0.0.1", port), Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve the connection."""
        try:
            request.settimeout(30)
            with self.context.wrap_socket(request, server_side=True) as secured:
                Handler(secured, client_address, self)
        except (ssl.SSLError, ConnectionError, TimeoutError, OSError):
            return  # the client went away, or does not trust us

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Record a defect of the simulator; its tests look at `crashes`."""
        self.backend.world.crashes.append(f"{client_address}: {sys.exc_info()[1]!r}")
        del request
