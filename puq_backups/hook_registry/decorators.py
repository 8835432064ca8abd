"""Decorators for hooks, module functions and mails. They only mark a function; the registry reads the marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
MARKS = "_puq_backups_marks"


@dataclass(frozen=True)
class Mark:
    """What a decorator stores on a function: kind of mark, name, priority and further arguments."""

    kind: str
    name: str
    priority: int = 0
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Email:
    """A mail that is written when `event` happens, to "client" or "staff".

    Its templates are in `templates/puq_backups/emails/<folder>`. `own` names its specific merge fields; `fields`
    returns their values and takes the keyword arguments `service`, `operation` and `backup`.
    """

    name: str
    event: str
    to: str
    folder: str
    own: tuple[str, ...]
    fields: Callable[..., dict[str, Any]]


def _marking(mark: Mark) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        setattr(function, MARKS, [*getattr(function, MARKS, []), mark])
        return function

    return decorate


def hook(point: str, priority: int = 0) -> Callable[[F], F]:
    """Mark a function to run at a hook point.

    - `point` (str): name of a function in `puq_backups.hook_registry.points`.
    - `priority` (int, default 0): lower priorities run first.

    The function takes those arguments of its point that it needs, by name. Registering it raises HookError for an
    unknown point or argument.
    """
    return _marking(Mark("hook", point, priority))


def module_function(function: F) -> F:
    """Mark a function as the module function of its own name, called by `backups.call(name, params)`.

    It may take `context`, `params` and `actor`. A function of the host replaces ours of the same name.
    """
    return _marking(Mark("module", function.__name__))(function)


def page_function(function: F) -> F:
    """Mark a module function that only shows a page, so that a GET request may call it.

    It returns `{"templatefile": …, "vars": …}`.
    """
    return _marking(Mark("page", function.__name__))(function)


def email_template(
    name: str, *, event: str, folder: str, to: str = "client", own: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Mark a function that returns the specific merge fields `own` of the mail `name`, written at `event`."""
    return _marking(Mark("email", name, about={"event": event, "folder": folder, "to": to, "own": own}))
