"""Calls module functions by their WHMCS names: checks the caller, runs the hooks around them, logs the call."""

from __future__ import annotations

import inspect
import logging
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..accounts.params import service_id
from ..context import Context
from ..errors import BackupsError, BadInput, Message, NotAllowed, NotFound, Refused
from ..host import SYSTEM, Actor
from ..migrations import running
from ..models import Service
from ..models.conflicts import repeated
from . import command_hooks
from .callers import (
    CLIENT_PERMISSIONS,
    HOST_FUNCTIONS,
    LIFECYCLE,
    PRODUCT_FUNCTIONS,
    RATE_LIMITED,
    STAFF_FUNCTIONS,
    caller,
)
from .masking import find_secrets, mask_text, mask_values

log = logging.getLogger("puq_backups.whmcs.dispatch")
READ_ONLY = frozenset({*PRODUCT_FUNCTIONS, *STAFF_FUNCTIONS, "ClientArea"})
"""Functions that change nothing. All that are neither here nor in LIFECYCLE are custom functions."""

ANSWER_DICT = frozenset({
    "MetaData", "ConfigOptions", "AdminServicesTabFields", "ClientAreaCustomButtonArray",
    "ClientAreaAllowedFunctions", "AdminCustomButtonArray",
})  # fmt: skip
"""Functions that return a dict without a place for an error; they return {} on error."""

NOT_OFFERED = Message("Your provider does not offer this here.")
SUCCESS = "success"
INTERNAL_ERROR = "Something went wrong on our side; the log has the details."
LONGEST_ANSWER = 500


def call(context: Context, name: str, params: Mapping[str, Any] | None, actor: Actor | None = None) -> Any:
    """Call a module function as WHMCS does. Returns its answer, `success`, or an error text.

    Raises only LookupError, for an unknown function. `callers.caller` says who it runs for without an `actor`.
    """
    if name not in context.hooks.functions:
        raise LookupError(f"There is no module function {name}.")
    try:
        return call_or_raise(context, name, params, caller(context, name, actor))
    except BackupsError as error:
        return _error_answer(name, mask_text(str(error), find_secrets(params)))
    except Exception as error:  # noqa: BLE001 - logged below, with secrets masked
        if running.explains(error, context.database.engine):
            log.error("module function %s failed: %s", name, running.OUTDATED)  # noqa: TRY400 - the sentence says all
            return _error_answer(name, str(running.OUTDATED))
        told = mask_text(traceback.format_exc(), find_secrets(params))
        log.error("module function %s failed\n%s", name, told)  # noqa: TRY400 - a traceback may contain a secret
        return _error_answer(name, INTERNAL_ERROR)


def call_or_raise(context: Context, name: str, params: Mapping[str, Any] | None, actor: Actor) -> Any:
    """Call a module function for `actor`, with access checks. Raises its errors (NotFound, Refused, BadInput, …)."""
    with _logged(name, params) as answers:
        given = _check_caller(context, name, params, actor)
        _check_rate(context, name, given, actor)
        answers.append(_run_with_hooks(context, name, given, actor))
    return answers[0]


def call_authorized(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    """Like `call_or_raise`, for an actor whose access to the service was checked already."""
    with _logged(name, params) as answers:
        _check_rate(context, name, params, actor)
        answers.append(_run_with_hooks(context, name, params, actor))
    return answers[0]


def offered_functions(context: Context, actor: Actor) -> set[str]:
    """Return the custom functions that `actor` may call from a page: those named by the button arrays."""
    lists = ["ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions"]
    lists += ["AdminCustomButtonArray"] if actor.is_staff else []
    named: set[str] = set()
    for name in lists:
        answer = _call_function(context, name, {}, actor)
        named.update(answer.values() if isinstance(answer, Mapping) else answer)
    return {name for name in named if name in context.hooks.functions and is_custom(name)}


def is_custom(name: str) -> bool:
    """Whether `name` is a custom function, neither a lifecycle nor a read-only one."""
    return name not in LIFECYCLE and name not in READ_ONLY


def _check_caller(context: Context, name: str, params: Mapping[str, Any] | None, actor: Actor) -> Mapping[str, Any]:
    """Return the params after checking that `actor` may call this function for this service."""
    if not isinstance(params, Mapping | None):
        raise BadInput("params", "params must hold names and values.")
    given = params or {}
    if name not in HOST_FUNCTIONS:
        _check_owner(context, service_id(given), actor)
        if not actor.may("view") or not actor.may(CLIENT_PERMISSIONS.get(name, "view")):
            raise NotAllowed
    return given


def _check_rate(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> None:
    if name in RATE_LIMITED and actor != SYSTEM:
        context.limiter.check(RATE_LIMITED[name], service_id(params), actor.label)


def _check_owner(context: Context, key: str, actor: Actor) -> None:
    with context.database.open() as session:
        service = session.get(Service, key)
    if service is None:
        raise (
            BadInput("serviceid", "The service {service} is not registered.", service=key)
            if actor.is_staff
            else NotFound
        )
    if not actor.is_staff and service.client_id != actor.client_id:
        raise NotFound


def _run_with_hooks(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    """Call a function with the hooks of its verb, or of Custom, around it."""
    if name in READ_ONLY:
        return _call_function(context, name, params, actor)
    verb = LIFECYCLE.get(name, "Custom")
    more = {"function": name} if verb == "Custom" else {}
    own = {"own": True} if verb in command_hooks.VM_VERBS else {}
    changed = command_hooks.run_pre_hooks(context, verb, params, **own, **more)
    with command_hooks.after_hooks(context, verb, changed, **more):
        answer = _call_function(context, name, changed, actor)
        if isinstance(answer, str) and answer != SUCCESS:
            raise Refused("{reason}", reason=answer)
        return answer


def _call_function(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    function = context.hooks.functions[name]
    given = {"context": context, "params": params, "actor": actor}
    wanted = inspect.signature(function).parameters
    return repeated(function)(**{argument: value for argument, value in given.items() if argument in wanted})


@contextmanager
def _logged(name: str, params: Any) -> Iterator[list[Any]]:
    """Context manager: log a call with params, answer and duration; secrets are masked."""
    answers: list[Any] = []
    began, error = time.monotonic(), ""
    try:
        yield answers
    except BackupsError as caught:
        error = str(caught)
        raise
    finally:
        level = logging.DEBUG if name in READ_ONLY else logging.INFO
        if log.isEnabledFor(level):
            said = repr(answers[0]) if answers else error or "internal error"
            took, secrets = time.monotonic() - began, find_secrets(params)
            shown, answer = mask_values(params, secrets), mask_text(said, secrets)[:LONGEST_ANSWER]
            log.log(level, "%s(%s) in %.3f s: %s", name, shown, took, answer)


def _error_answer(name: str, text: str) -> Any:
    """Return an error in the form WHMCS expects from this function."""
    if name == "TestConnection":
        return {"success": False, "error": text}
    if name == "ClientArea":
        return {"templatefile": "puq_backups/client/error.html", "vars": {"usefulErrorHelper": text}}
    if name in ANSWER_DICT:
        return {}
    return text
