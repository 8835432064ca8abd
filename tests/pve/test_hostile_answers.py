"""Answers that are too long, too slow or nested too deeply end as an error of ours."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from puq_backups.errors import ProxmoxUnreachable, UnknownOutcome
from puq_backups.pve import transport
from puq_backups.pve.client import Access, Proxmox

from .tls_server import make_certificate


def endless(write: Callable[[bytes], object]) -> None:
    write(b'{"data":"')
    while True:
        write(b"x" * 65536)


def dripping(write: Callable[[bytes], object]) -> None:
    while True:
        write(b" ")
        time.sleep(0.02)


def nested(write: Callable[[bytes], object]) -> None:
    write(b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}")


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[[Any], Proxmox]]:
    certificate, fingerprint = make_certificate(tmp_path)
    made: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def make(body: Callable[[Callable[[bytes], object]], None]) -> Proxmox:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.send_response(200)
                self.end_headers()
                try:
                    body(self.wfile.write)
                except OSError:
                    return

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, *args: Any) -> None:
                """Keep the test's output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        made.append((server, thread))
        access = Access(
            hosts=("127.0.0.1",),
            port=server.server_address[1],
            token_id="a@pve!b",
            secret="s",
            fingerprint=fingerprint,
        )
        return Proxmox(access)

    yield make
    for server, thread in made:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "said"), [(endless, "more than 1 MiB"), (dripping, "longer than 0 seconds"), (nested, "without JSON")]
)
def test_hostile_answer_ends_as_an_error_of_ours(
    connect: Callable[[Any], Proxmox], monkeypatch: pytest.MonkeyPatch, body: Any, said: str
) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 1 << 20)
    monkeypatch.setattr(transport, "MAX_SECONDS", 0.4)
    proxmox = connect(body)

    with pytest.raises(ProxmoxUnreachable, match=said):
        proxmox.get("version")
    with pytest.raises(UnknownOutcome, match=said):
        proxmox.post("nodes")
