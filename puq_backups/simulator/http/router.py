"""From method and path to the function that answers, with the checks that Proxmox makes before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..answers import Refusal, Transport, bad_parameters, failed
from ..schema.parameters import call_schema, check
from ..world import access, workers
from ..world.model import Caller
from ..world.state import World
from ..world.task import Worker

Handler = Callable[["Call"], Any]
Permission = Callable[[World, Caller, dict[str, str]], None]


@dataclass
class Call:
    """One call of the API: who asks what. `total` goes beside `data` where a handler sets it."""

    world: World
    caller: Caller
    params: dict[str, Any]
    node: str
    given: dict[str, str]
    total: int | None = None

    @property
    def vmid(self) -> int:
        """The VM that the path or the parameters name."""
        return int(self.params["vmid"])

    def task(self, kind: str, subject: object, worker: Worker, abandon: Worker | None = None) -> str:
        """Start a task on the node of this call and return its UPID."""
        return workers.start(self.world, self.node, kind, str(subject), self.caller, worker, abandon)


@dataclass(frozen=True)
class Route:
    """A served call. A protected one is done by pvedaemon, the others by pveproxy itself."""

    method: str
    path: str
    handler: Handler
    permission: Permission | None
    protected: bool
    pattern: re.Pattern[str] = field(repr=False)


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    permission: Permission | None = None,
    *,
    protected: bool = True,
) -> Callable[[Handler], Handler]:
    """Serve `method path` with the function below; `{name}` in the path is a parameter."""

    def register(handler: Handler) -> Handler:
        tail = re.sub(r"\{volume\}", r"(?P<volume>.+)", path)
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", tail))
        ROUTES.append(Route(method, path, handler, permission, protected, pattern))
        return handler

    return register


def needs(path: str, *names: str) -> Permission:
    """The privileges (all of them) that a call needs on a path with `{parameters}`."""
    return lambda world, caller, given: access.demand(world, caller, path.format_map(given), *names)


def needs_any(path: str, *names: str) -> Permission:
    """The privileges of which a call needs one."""
    return lambda world, caller, given: access.demand_any(world, caller, path.format_map(given), *names)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route for a path and what the path says."""
    for one in ROUTES:
        if one.method == method and (found := one.pattern.fullmatch(path)):
            return one, found.groupdict()
    return None


def template(method: str, path: str) -> str:
    """The path with its parameters unnamed, for counting; a path that is not served stays as it is."""
    found = find(method, path)
    return found[0].path if found else path


def not_served(method: str, path: str) -> Refusal:
    """The answer to a call that is not simulated."""
    return Refusal(501, f"Method '{method} {path}' not implemented")


def prepare(world: World, caller: Caller, method: str, path: str, given: dict[str, str]) -> tuple[Route, Call]:
    """The checks before a call: path, rights, node, daemon, parameters. Raises what Proxmox answers."""
    found = find(method, path)
    if found is None:
        raise not_served(method, path)
    one, of_path = found
    for key in sorted(key for key in given if of_path.get(key, given[key]) != given[key]):
        raise bad_parameters({key: "duplicate parameter (already defined in URI) with conflicting values!"})
    given = {**given, **of_path}
    if one.permission:
        one.permission(world, caller, given)
    node = _reach_node(world, one, of_path)
    schema = call_schema(f"{one.method} {one.path}", world.pve)
    if schema is None:
        raise not_served(method, path)
    params = check(schema, given, world.pve)
    return one, Call(world, caller, params, node, given)


def _reach_node(world: World, one: Route, of_path: dict[str, str]) -> str:
    entry = next(iter(world.nodes))
    name = of_path.get("node", entry)
    if name == "localhost":
        name = entry
    node = world.nodes.get(name)
    if node is None:
        detail = f"failed to get address info for: {name}: Name or service not known"
        raise failed(f"hostname lookup '{name}' failed - {detail}")
    if not node.online:
        raise Transport(595, "No route to host")
    if one.protected and not node.daemon:
        raise Transport(595, "Connection refused")
    return name
