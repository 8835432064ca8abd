"""Permissions and roles."""

from __future__ import annotations

from typing import Any

from ..http.router import Call, route
from ..world import access
from ..world.roles import stock_roles


@route("GET", "/access", protected=False)
def index(_call: Call) -> Any:
    """What lies below."""
    return [{"subdir": "permissions"}, {"subdir": "roles"}]


@route("GET", "/access/permissions", protected=False)
def permissions(call: Call) -> Any:
    """Somebody's privileges, on all paths or on one; those of others need Sys.Audit on /access."""
    userid = str(call.params.get("userid") or call.caller.id)
    owned = userid.partition("!")[0] == call.caller.id
    if userid != call.caller.id and not owned:
        access.demand(call.world, call.caller, "/access", "Sys.Audit")
    who = access.identity(call.world, userid)
    path = call.params.get("path")
    if path is None:
        return {} if who is None else access.effective(call.world, who)
    return {path: {} if who is None else access.privileges(call.world, who, str(path))}


@route("GET", "/access/roles", protected=False)
def roles(call: Call) -> Any:
    """The roles with their privileges."""
    stock = stock_roles(call.world.is_9)
    return [
        {"roleid": name, "privs": ",".join(sorted(privileges)), "special": int(name in stock)}
        for name, privileges in sorted(call.world.roles.items())
    ]
