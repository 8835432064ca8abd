"""Dispatch of the module functions: WHMCS in, operations out."""

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
from ..host import Actor
from ..models import Service
from . import commands
from .callers import LIFECYCLE, OF_PRODUCT, OF_STAFF, OF_THE_HOST, caller
from .masking import masked, secrets_in, without

log = logging.getLogger("puq_backups.whmcs.dispatch")
SHOWING = frozenset({*OF_PRODUCT, *OF_STAFF, "ClientArea"})
"""The functions that change nothing. Whatever is neither here nor of a service's life is a custom function."""

EMPTY_DICT = frozenset({
    "MetaData", "ConfigOptions", "AdminServicesTabFields", "ClientAreaCustomButtonArray",
    "ClientAreaAllowedFunctions", "AdminCustomButtonArray",
})  # fmt: skip
"""The functions that answer with a dict, and have no place in it for an error."""

NOT_OFFERED = Message("Your provider does not offer this here.")
SUCCESS = "success"
FAULT = "Something went wrong on our side; the log has the details."
LONGEST_ANSWER = 500


def call(context: Context, name: str, params: Mapping[str, Any] | None, actor: Actor | None = None) -> Any:
    """Call a module function as WHMCS would: its answer, `success`, or an error text; it never raises.

    LookupError where there is no such function. For whom it is done without an `actor`: see `callers`.
    """
    if name not in context.hooks.functions:
        raise LookupError(f"There is no module function {name}.")
    try:
        return perform(context, name, params, caller(context, name, actor))
    except BackupsError as error:
        return _answer(name, without(str(error), secrets_in(params)))
    except Exception:  # noqa: BLE001 - told to the log, without its secrets
        told = without(traceback.format_exc(), secrets_in(params))
        log.error("module function %s failed\n%s", name, told)  # noqa: TRY400 - the traceback itself may hold a secret
        return _answer(name, FAULT)


def perform(context: Context, name: str, params: Mapping[str, Any] | None, actor: Actor) -> Any:
    """Call a module function for `actor`; raises what it raises (NotFound, Refused, BadInput, …)."""
    with _logged(name, params) as answers:
        answers.append(_do(context, name, _checked(context, name, params, actor), actor))
    return answers[0]


def run(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    """The same for an actor of whom it is known that they may look at the service."""
    with _logged(name, params) as answers:
        answers.append(_do(context, name, params, actor))
    return answers[0]


def offered(context: Context, actor: Actor) -> set[str]:
    """The custom functions that this actor may call from a page: those that the lists of buttons hold."""
    lists = ["ClientAreaCustomButtonArray", "ClientAreaAllowedFunctions"]
    lists += ["AdminCustomButtonArray"] if actor.is_staff else []
    named: set[str] = set()
    for name in lists:
        answer = _plain(context, name, {}, actor)
        named.update(answer.values() if isinstance(answer, Mapping) else answer)
    return {name for name in named if name in context.hooks.functions and is_custom(name)}


def is_custom(name: str) -> bool:
    """Whether this is a custom function: one that does something to a service for its owner."""
    return name not in LIFECYCLE and name not in SHOWING


def _checked(context: Context, name: str, params: Mapping[str, Any] | None, actor: Actor) -> Mapping[str, Any]:
    """The params, after looking at who may call this function for this service."""
    if not isinstance(params, Mapping | None):
        raise BadInput("params", "params must hold names and values.")
    given = params or {}
    if name not in OF_THE_HOST:
        _own(context, service_id(given), actor)
        if not actor.may("view"):
            raise NotAllowed
    return given


def _own(context: Context, key: str, actor: Actor) -> None:
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


def _do(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    """Run a function with the hook points around it: those of its verb, or of custom functions."""
    if name in SHOWING:
        return _plain(context, name, params, actor)
    verb = LIFECYCLE.get(name, "Custom")
    more = {"function": name} if verb == "Custom" else {}
    own = {"own": True} if verb in commands.HOSTS_VERBS else {}
    changed = commands.ask(context, verb, params, **own, **more)
    with commands.told(context, verb, changed, **more):
        answer = _plain(context, name, changed, actor)
        if isinstance(answer, str) and answer != SUCCESS:
            raise Refused("{reason}", reason=answer)
        return answer


def _plain(context: Context, name: str, params: Mapping[str, Any], actor: Actor) -> Any:
    function = context.hooks.functions[name]
    given = {"context": context, "params": params, "actor": actor}
    wanted = inspect.signature(function).parameters
    return function(**{argument: value for argument, value in given.items() if argument in wanted})


@contextmanager
def _logged(name: str, params: Any) -> Iterator[list[Any]]:
    """Write a call, what it was given and what came of it to the log, without its secrets."""
    answers: list[Any] = []
    began, error = time.monotonic(), ""
    try:
        yield answers
    except BackupsError as caught:
        error = str(caught)
        raise
    finally:
        level = logging.DEBUG if name in SHOWING else logging.INFO
        if log.isEnabledFor(level):
            said = repr(answers[0]) if answers else error or "a fault"
            took, secrets = time.monotonic() - began, secrets_in(params)
            shown, answer = masked(params, secrets), without(said, secrets)[:LONGEST_ANSWER]
            log.log(level, "%s(%s) in %.3f s: %s", name, shown, took, answer)


def _answer(name: str, text: str) -> Any:
    """An error in the shape in which WHMCS has it from this function."""
    if name == "TestConnection":
        return {"success": False, "error": text}
    if name == "ClientArea":
        return {"templatefile": "puq_backups/client/error.html", "vars": {"usefulErrorHelper": text}}
    if name in EMPTY_DICT:
        return {}
    return text
