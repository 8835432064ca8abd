"""Dispatch of the module functions: WHMCS in, operations out."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from .accounts import service_id
from .errors import BackupsError, BadInput, NotAllowed, NotYours
from .host import SYSTEM, Actor
from .models import Service
from .toolbox import Toolbox

log = logging.getLogger("puq_backups.module")
OWNERS = frozenset({
    "ClientArea", "BackupNow", "SaveSchedule", "RestoreBackup", "RemoveBackup", "RetryRestore", "Reinstall",
    "CancelOperation", "EditNote", "KeepBackup",
})  # fmt: skip
"""The functions for which a client must own the service."""

STAFFS = frozenset({"AdminCustomButtonArray", "AdminServicesTabFields"})
"""The functions that tell staff things, and no client. A service's life (CreateAccount, ChangePackage, …) is the
host's own code's to call, often in the request of the very client whose order it carries out."""

DICTS = frozenset({
    "MetaData", "ConfigOptions", "AdminServicesTabFields", "ClientAreaCustomButtonArray",
    "ClientAreaAllowedFunctions", "AdminCustomButtonArray",
})  # fmt: skip
"""The functions that answer with a dict, and have no place in it for an error."""


def call(toolbox: Toolbox, name: str, params: Mapping[str, Any], actor: Actor | None = None) -> Any:
    """Call a module function as WHMCS would: its answer, `success`, or an error text; it never raises.

    LookupError where there is no such function. Without `actor` it is the host's current one, else the system.
    """
    if name not in toolbox.hooks.functions:
        raise LookupError(f"There is no module function {name}.")
    try:
        return perform(toolbox, name, params, actor or _actor(toolbox))
    except BackupsError as error:
        return _answer(name, str(error))
    except Exception:
        log.exception("module function %s failed", name)
        return _answer(name, "Something went wrong on our side; the log has the details.")


def perform(toolbox: Toolbox, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    """Call a module function for `actor`; raises what it raises (NotYours, Refused, BadInput, …)."""
    if name in STAFFS and not actor.is_staff:
        raise NotAllowed
    if name in OWNERS:
        _own(toolbox, service_id(params), actor)
    return run(toolbox, name, params, actor)


def run(toolbox: Toolbox, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    """The same for an actor of whom it is known that the service is theirs."""
    function = toolbox.hooks.functions[name]
    given = {"toolbox": toolbox, "params": params, "actor": actor}
    return function(**{wanted: given[wanted] for wanted in inspect.signature(function).parameters})


def _actor(toolbox: Toolbox) -> Actor:
    try:
        return toolbox.host.current_actor() or SYSTEM
    except RuntimeError:
        # The host asks its request who is signed in, and there is none: a job, a command, its own cron.
        return SYSTEM


def _own(toolbox: Toolbox, key: str, actor: Actor) -> None:
    with toolbox.database.open() as session:
        service = session.get(Service, key)
    if service is None:
        raise (
            BadInput("serviceid", "The service {service} is not registered.", service=key)
            if actor.is_staff
            else NotYours
        )
    if not actor.is_staff and service.client_id != actor.client_id:
        raise NotYours


def _answer(name: str, text: str) -> Any:
    """An error in the shape in which WHMCS has it from this function."""
    if name == "TestConnection":
        return {"success": False, "error": text}
    if name == "ClientArea":
        return {"templatefile": "puq_backups/client/error.html", "vars": {"usefulErrorHelper": text}}
    if name in DICTS:
        return {}
    return text
