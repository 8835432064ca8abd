"""From a request to its answer, whatever transport brought it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from email.utils import formatdate
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from ..answers import ConnectionCut, Garbage, Prepared, Refusal, Transport
from ..faults import BadControl
from ..faults.requests import after, before, request_faults
from ..world import access
from ..world.state import World
from . import router

API = "/api2/json"
FIRST_ERROR = 400
DELAY_OF_401 = 3.0
WORKERS = 3


class Record(Protocol):
    """A request in the log of requests; `status` is set once it is answered."""

    status: int


class Backend(Protocol):
    """What answers the requests: the world, a log of requests, and the simulator's own doors."""

    world: World

    def note(self, method: str, path: str, given: dict[str, str]) -> Record:
        """Log a request."""

    def reset(self) -> None:
        """Go back to the initial state."""

    def control_step(self, step: dict[str, Any]) -> None:
        """Perform a control step."""

    def report(self) -> dict[str, Any]:
        """What was asked so far."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived. `target` is path and query, still encoded."""

    method: str
    target: str
    body: bytes = b""
    content_type: str = ""
    authorization: str | None = None


@dataclass(frozen=True)
class Answer:
    """Status, reason phrase and body of an answer."""

    status: int
    reason: str
    payload: bytes
    date: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that pveproxy sends. After an error it closes the connection."""
        return {
            "Content-Type": "application/json;charset=UTF-8",
            "Content-Length": str(len(self.payload)),
            "Cache-Control": "max-age=0",
            "Connection": "close" if self.status >= FIRST_ERROR else "Keep-Alive",
            "Date": self.date,
            "Server": "pve-api-daemon/3.0",
        }


def answer(backend: Backend, request: Request) -> Answer:
    """Answer a request. Raises ConnectionCut if the connection is to end without an answer."""
    path, _, query = request.target.partition("?")
    if path.startswith("/simulator/"):
        return _operate(backend, request, path)
    return _answer_api(backend, request, unquote(path), query)


def _made(backend: Backend, status: int, reason: str, content: Any) -> Answer:
    if isinstance(content, dict) and isinstance(content.get("data"), Prepared):
        payload = f'{{"data":{content["data"]}}}'.encode()
    elif isinstance(content, str):
        payload = content.encode()
    else:
        payload = b"" if content is None else json.dumps(content, separators=(",", ":")).encode()
    clean = reason.encode("latin-1", "replace").decode("latin-1").replace("\r", " ")
    world = backend.world
    return Answer(status, clean, payload, formatdate(world.now(next(iter(world.nodes))), usegmt=True))


def _operate(backend: Backend, request: Request, path: str) -> Answer:
    """The simulator's own doors: controls, reset, the log of requests."""
    try:
        given = json.loads(request.body or b"{}")
        asked = (request.method, path)
        if asked == ("POST", "/simulator/reset") or given.get("control") == "reset":
            backend.reset()
            return _made(backend, 200, "OK", {"data": None})
        if asked == ("POST", "/simulator/control"):
            backend.control_step(given)
            return _made(backend, 200, "OK", {"data": None})
        if asked == ("GET", "/simulator/requests"):
            return _made(backend, 200, "OK", {"data": backend.report()})
        if asked == ("GET", "/simulator/journal"):
            return _made(backend, 200, "OK", {"data": [asdict(entry) for entry in backend.world.journal.entries]})
    except (BadControl, ValueError) as problem:
        return _made(backend, 400, "Bad Request", {"message": str(problem)})
    return _made(backend, 404, "Not Found", {"message": f"The simulator has no {request.method} {path}."})


def _answer_api(backend: Backend, request: Request, path: str, query: str) -> Answer:
    if not path.startswith(API):
        return _made(backend, 501, f"Method '{request.method} {path}' not implemented", None)
    path = path.removeprefix(API) or "/"
    given = parameters(request.method, query, request.body, request.content_type)
    seen = backend.note(request.method, path, given)
    status, reason, content = _outcome(backend, request, path, given)
    seen.status = status
    by = access.token_of(request.authorization) or "nobody"
    with backend.world.journal.acting(by):
        backend.world.journal.add("answered", f"{request.method} {path}", status=status, reason=reason)
    return _made(backend, status, reason, content)


def _outcome(backend: Backend, request: Request, path: str, given: dict[str, str]) -> tuple[int, str, Any]:
    world = backend.world
    try:
        return 200, "OK", perform(world, request.authorization, request.method, path, given)
    except Refusal as refusal:
        return refusal.status, refusal.reason, refusal.body
    except Garbage as page:
        return 200, "OK", str(page)
    except Transport as cut:
        return cut.status, cut.reason, None
    except ConnectionCut:
        raise
    except Exception as problem:  # noqa: BLE001 - a defect of the simulator must be reported, not hang the client
        world.crashes.append(f"{request.method} {path}: {problem!r}")
        return 500, f"the simulator failed: {problem!r}", {"data": None}


def parameters(method: str, query: str, body: bytes, kind: str) -> dict[str, str]:
    """The parameters of a request as text: the query of GET and DELETE, form or JSON of the others."""
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
    with world.lock, world.journal.acting(access.token_of(header) or "nobody"):
        world.journal.add("asked", f"{method} {path}", params=given)
        if not next(iter(world.nodes.values())).online:
            raise ConnectionCut
        faults = request_faults(world, method, path, access.token_of(header))
        before(world, faults)
        try:
            caller = access.authenticate(world, header)
        except Transport:
            world.wait_for(lambda: False, world.scaled(DELAY_OF_401))
            raise
        one, call = router.prepare(world, caller, method, path, given)
        found = {"data": _in_time(world, one, call) if one.protected else one.handler(call)}
        after(faults)
    return found if call.total is None else found | {"total": call.total}


def _in_time(world: World, one: router.Route, call: router.Call) -> Any:
    """Let one of the node's three workers do it; after 30 s the proxy answers 596 and the work goes on."""
    outcome: dict[str, Any] = {}
    node = world.nodes[call.node]

    def work() -> None:
        world.wait_for(lambda: node.workers_busy < WORKERS, None)
        node.workers_busy += 1
        try:
            with world.journal.acting(call.caller.id):
                outcome["answer"] = one.handler(call)
        except Exception as problem:  # noqa: BLE001 - handed to the waiting thread, raised there
            outcome["problem"] = problem
        finally:
            node.workers_busy -= 1

    world.clock.spawn(work, f"{one.method} {one.path}")
    world.wait_for(lambda: outcome, world.as_told(world.proxy_seconds))
    if not outcome:
        raise Transport(596, "Connection timed out")
    if "problem" in outcome:
        raise outcome["problem"]
    return outcome["answer"]
