"""Certificates, against real TLS: a wrong one gets no request at all, so no token leaks."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from puq_backups.errors import ProxmoxUnreachable, UnknownOutcome
from puq_backups.pve.client import Access, Proxmox

from .client_helpers import error_of
from .tls_server import Node, Server, handler, make_certificate


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    certificate, fingerprint = make_certificate(tmp_path)
    node = Node(0, certificate, fingerprint)
    server = Server(("127.0.0.1", 0), handler(node))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    node.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield node
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def opened() -> Iterator[list[Proxmox]]:
    """What was opened is closed at the end: the server's threads wait for it."""
    made: list[Proxmox] = []
    yield made
    for one in made:
        for line in one._connections.open.values():
            line.session.close()


@pytest.fixture
def connect(node: Node, opened: list[Proxmox]) -> Any:
    def make(*hosts: str, **access: Any) -> Proxmox:
        given = {"port": node.port, "token_id": "a@pve!b", "secret": "s3cret"} | access
        opened.append(Proxmox(Access(hosts=hosts or ("127.0.0.1",), **given)))
        return opened[-1]

    return make


@pytest.mark.parametrize("spelled", [str, str.lower, lambda text: text.replace(":", "")])
def test_the_right_fingerprint_opens(node: Node, connect: Any, spelled: Any) -> None:
    one = connect(fingerprint=spelled(node.fingerprint))

    assert (one.get("version"), one.post("version")) == ("here", "here")
    assert node.requests == ["GET /api2/json/version", "POST /api2/json/version"]


def test_the_systems_cas_are_not_read_for_a_fingerprint(
    node: Node, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", read.append)
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *given: read.append(given))

    assert connect(fingerprint=node.fingerprint).get("version") == "here"
    assert read == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_wrong_fingerprint_sends_nothing(node: Node, connect: Any, method: str) -> None:
    error = error_of(getattr(connect(fingerprint="AB" * 32), method), "version")

    assert type(error) is ProxmoxUnreachable
    assert "does not match the fingerprint given in serveraccesshash" in str(error)
    assert node.requests == []


def test_the_right_ca_file_opens(node: Node, connect: Any) -> None:
    assert connect(ca_file=str(node.certificate)).get("version") == "here"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_wrong_ca_file_sends_nothing(node: Node, connect: Any, method: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other, _ = make_certificate(tmp_path / "other")

    error = error_of(getattr(connect(ca_file=str(other)), method), "version")

    assert type(error) is ProxmoxUnreachable
    assert "PUQ_BACKUPS_CA_FILE" in str(error)
    assert node.requests == []


def test_a_name_the_certificate_lacks_sends_nothing(node: Node, connect: Any) -> None:
    error = error_of(connect("localhost", ca_file=str(node.certificate)).post, "version")

    assert type(error) is ProxmoxUnreachable
    assert "does not match" in str(error)
    assert node.requests == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_fingerprint_and_ca_an_unknown_certificate_sends_nothing(
    node: Node, connect: Any, method: str
) -> None:
    error = error_of(getattr(connect(), method), "version")

    assert type(error) is ProxmoxUnreachable
    assert "serveraccesshash" in str(error)
    assert node.requests == []


def test_the_environment_does_not_lead_elsewhere(node: Node, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")

    assert connect(fingerprint=node.fingerprint).get("version") == "here"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_closed_port_is_unreachable(connect: Any, method: str) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        one = connect(port=reserved.getsockname()[1], fingerprint="AB" * 32)
        error = error_of(getattr(one, method), "version")

    assert type(error) is ProxmoxUnreachable
    assert str(error) == "Proxmox cannot be reached at 127.0.0.1: Connection refused."


def test_a_name_that_resolves_nowhere_is_unreachable(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = error_of(connect("no-such-host.invalid", fingerprint="AB" * 32).post, "version")

    assert type(error) is ProxmoxUnreachable
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_host_that_is_down_is_passed_over(node: Node, connect: Any, method: str) -> None:
    one = connect("::1", "127.0.0.1", fingerprint=node.fingerprint)

    assert [getattr(one, method)("version") for _ in range(2)] == ["here", "here"]
    assert one._hosts == ["127.0.0.1", "::1"]


def test_a_write_whose_connection_is_cut_has_an_unknown_outcome(node: Node, connect: Any) -> None:
    node.script = ["hang up"]

    error = error_of(connect(fingerprint=node.fingerprint).post, "version")

    assert type(error) is UnknownOutcome
    assert node.requests == ["POST /api2/json/version"]


def test_a_read_whose_connection_is_cut_is_asked_again(node: Node, connect: Any) -> None:
    node.script = ["hang up"]

    assert connect(fingerprint=node.fingerprint).get("version") == "here"
    assert node.requests == ["GET /api2/json/version"] * 2


def test_a_port_that_speaks_no_tls_is_no_success(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            peer, _ = plain.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = error_of(connect(port=plain.getsockname()[1], fingerprint="AB" * 32).post, "version")
        thread.join()

    assert isinstance(error, UnknownOutcome)


def test_a_server_that_does_not_answer_in_time_is_given_up(connect: Any, node: Node) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = connect(port=silent.getsockname()[1], fingerprint="AB" * 32, connect_timeout=0.2, read_timeout=0.2)
        error = error_of(one.get, "version")

    assert type(error) is ProxmoxUnreachable
