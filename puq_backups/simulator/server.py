"""HTTPS as pveproxy speaks it: keep-alive, Date, reason phrases, and the proxy's own answers 401, 595 and 596."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from . import access, control, router
from .answers import ConnectionCut, Garbage, Prepared, Refusal, Transport
from .state import World

if TYPE_CHECKING:
    from .simulator import Simulator

API = "/api2/json"
ALLOWED_BODY = 512 * 1024
FIRST_ERROR = 400
DELAY_OF_401 = 3.0
IDLE_SECONDS = 5.0


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "pve-api-daemon/3.0"
    sys_version = ""
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: Server

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: by the clock of the node that answers."""
        del timestamp
        world = self.server.simulator.world
        return formatdate(world.now(next(iter(world.nodes))), usegmt=True)

    def log_message(self, *args: object) -> None:
        """Say nothing: `GET /simulator/requests` tells what was asked."""

    def version_string(self) -> str:
        """The Server header."""
        return self.server_version

    def _serve(self) -> None:
        try:
            body = self._body()
            path, _, query = self.path.partition("?")
            if path.startswith("/simulator/"):
                self._operate(path, body)
            else:
                self._answer_api(unquote(path), query, body)
        except ConnectionCut:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length) if length else b""

    def _operate(self, path: str, body: bytes) -> None:
        """The doors of the simulator itself: conditions, reset, what was asked."""
        simulator = self.server.simulator
        try:
            given = json.loads(body or b"{}")
            asked = (self.command, path)
            if asked == ("POST", "/simulator/reset") or given.get("control") == "reset":
                simulator.reset()
                self._send(200, "OK", {"data": None})
            elif asked == ("POST", "/simulator/control"):
                simulator.control_step(given)
                self._send(200, "OK", {"data": None})
            elif asked == ("GET", "/simulator/requests"):
                self._send(200, "OK", {"data": simulator.report()})
            else:
                self._send(404, "Not Found", {"message": f"The simulator has no {self.command} {path}."})
        except (control.BadControl, ValueError) as problem:
            self._send(400, "Bad Request", {"message": str(problem)})

    def _answer_api(self, path: str, query: str, body: bytes) -> None:
        simulator = self.server.simulator
        given = parameters(self.command, query, body, self.headers.get("Content-Type", ""))
        if not path.startswith(API):
            self._send(501, f"Method '{self.command} {path}' not implemented", None)
            return
        path = path.removeprefix(API) or "/"
        seen = simulator.note(self.command, path, given)
        try:
            answer = perform(simulator.world, self.headers.get("Authorization"), self.command, path, given)
        except Refusal as refusal:
            seen.status = refusal.status
            self._send(refusal.status, refusal.reason, refusal.body)
        except Garbage as page:
            seen.status = 200
            self._send(200, "OK", str(page))
        except Transport as cut:
            seen.status = cut.status
            self._send(cut.status, cut.reason, None)
        except ConnectionCut:
            raise
        except Exception as problem:  # noqa: BLE001 - a fault of the simulator must be seen, not hang the client
            simulator.world.crashes.append(f"{self.command} {path}: {problem!r}")
            seen.status = 500
            self._send(500, f"the simulator failed: {problem!r}", {"data": None})
        else:
            seen.status = 200
            self._send(200, "OK", answer)

    def _send(self, status: int, reason: str, answer: Any) -> None:
        if isinstance(answer, dict) and isinstance(answer.get("data"), Prepared):
            payload = f'{{"data":{answer["data"]}}}'.encode()
        elif isinstance(answer, str):
            payload = answer.encode()
        else:
            payload = b"" if answer is None else json.dumps(answer, separators=(",", ":")).encode()
        clean = reason.encode("latin-1", "replace").decode("latin-1").replace("\r", " ")
        self.send_response(status, clean)
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Cache-Control", "max-age=0")
        if status >= FIRST_ERROR:
            self.close_connection = True
            self.send_header("Connection", "close")
        else:
            self.send_header("Connection", "Keep-Alive")
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()


def parameters(method: str, query: str, body: bytes, kind: str) -> dict[str, str]:
    """What a request says, as text: the query of GET and DELETE, form or JSON of the others."""
    if method not in ("GET", "DELETE") and "json" in kind and body:
        return {key: _as_text(value) for key, value in json.loads(body).items()}
    text = query if method in ("GET", "DELETE") or not body else body.decode()
    found: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found[key] = f"{found[key]}\0{value}" if key in found else value
    return found


def _as_text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def perform(world: World, header: str | None, method: str, path: str, given: dict[str, str]) -> dict[str, Any]:
    """One call from authentication to answer, faults included. Raises Refusal, Transport or ConnectionCut."""
    with world.lock:
        if not next(iter(world.nodes.values())).online:
            raise ConnectionCut
        faults = control.request_faults(world, method, path)
        control.before(world, faults)
        try:
            caller = access.authenticate(world, header)
        except Transport:
            world.wait_for(lambda: False, world.scaled(DELAY_OF_401))
            raise
        one, call = router.prepare(world, caller, method, path, given)
    answer = _in_time(world, one, call) if one.protected else _locked(world, one, call)
    with world.lock:
        control.after(faults)
    found = {"data": answer}
    return found if call.total is None else found | {"total": call.total}


def _locked(world: World, one: router.Route, call: router.Call) -> Any:
    with world.lock:
        return one.handler(call)


def _in_time(world: World, one: router.Route, call: router.Call) -> Any:
    """Let one of the daemon's three workers do it; after 30 s the proxy answers 596 and the work goes on."""
    outcome: dict[str, Any] = {}

    def work() -> None:
        node = world.nodes[call.node]
        with node.workers:
            node.workers_busy += 1
            try:
                outcome["answer"] = _locked(world, one, call)
            except Exception as problem:  # noqa: BLE001 - handed to the waiting thread, raised there
                outcome["problem"] = problem
            finally:
                node.workers_busy -= 1

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(world.as_told(world.proxy_seconds))
    if worker.is_alive():
        raise Transport(596, "Connection timed out")
    if "problem" in outcome:
        raise outcome["problem"]
    return outcome["answer"]


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1; the TLS handshake is made in the connection's own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, simulator: Simulator, port: int, context: ssl.SSLContext) -> None:
        self.simulator = simulator
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
        """Count what went wrong inside; the tests of the simulator look at it."""
        self.simulator.world.crashes.append(f"{client_address}: {sys.exc_info()[1]!r}")
        del request
