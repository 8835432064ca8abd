"""GET /access/permissions."""

from __future__ import annotations

from typing import Any

from ..answers import bad_parameters, forbidden
from ..http.router import Call, route
from ..schema.parameters import Param
from ..world import access


@route("GET", "/access/permissions", {"path": Param(), "userid": Param()}, protected=False)
def permissions(call: Call) -> Any:
    """The caller's own privileges, on all paths or on one."""
    userid = call.params.get("userid")
    if userid not in (None, call.caller.id, call.caller.user):
        raise forbidden("/access", "Sys.Audit")
    path = call.params.get("path")
    if path is None:
        return access.effective(call.world, call.caller)
    if not path.startswith("/"):
        raise bad_parameters({"path": f"'{path}' is not a valid ACL path"})
    return {path: access.privileges(call.world, call.caller, path)}
