"""The marks on hooks, module functions and mails, left where they are written; the registry reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
MARKS = "_puq_backups_marks"


@dataclass(frozen=True)
class Mark:
    """What a decorator leaves on a function: what it is, its name, and its place or particulars."""

    kind: str
    name: str
    priority: int = 0
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Email:
    """A mail that is sent when `event` happens, to the client or to staff, from `templates/…/emails/<folder>`.

    `own` names its merge fields beside those of every mail; `fields` gives what it knows of them from the keyword
    arguments `service`, `operation` and `backup`.
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
    """Mark a function to run at `point` (see hookspecs); lower priorities run first."""
    return _marking(Mark("hook", point, priority))


def module_function(function: F) -> F:
    """Mark a function as the module function of its own name, reached by `backups.call(name, params)`."""
    return _marking(Mark("module", function.__name__))(function)


def page_function(function: F) -> F:
    """The same for a custom function that only shows a page, `{"templatefile": …, "vars": …}`: a GET may reach it."""
    return _marking(Mark("page", function.__name__))(function)


def email_template(
    name: str, *, event: str, folder: str, to: str = "client", own: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Mark a function that gives the merge fields `own` to the mail `name`, written when `event` happens."""
    return _marking(Mark("email", name, about={"event": event, "folder": folder, "to": to, "own": own}))
