"""Hooks, module functions and mails: marked where they are written, registered when their module is loaded."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from . import hookspecs
from .errors import HookError

log = logging.getLogger("puq_backups.hooks")
F = TypeVar("F", bound=Callable[..., Any])
MARKS = "_puq_backups_marks"


@dataclass(frozen=True)
class Mark:
    """What a decorator leaves on a function: what it is, its name, and its place or particulars."""

    kind: str
    name: str
    priority: int = 0
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Email:
    """A mail that is sent when `event` happens, to the client or to staff, from `templates/…/emails/<folder>`.

    `fields` gives its own merge fields from the keyword arguments of the event.
    """

    name: str
    event: str
    to: str
    folder: str
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


def email_template(name: str, *, event: str, folder: str, to: str = "client") -> Callable[[F], F]:
    """Mark a function that gives the merge fields of the mail `name`, written when `event` happens."""
    return _marking(Mark("email", name, about={"event": event, "folder": folder, "to": to}))


class Hooks:
    """The registry of one application. `given` are arguments that every point gives, besides those of its run."""

    def __init__(self) -> None:
        self._hooks: dict[str, list[tuple[int, Callable[..., Any]]]] = {}
        self.functions: dict[str, Callable[..., Any]] = {}
        self.emails: list[Email] = []
        self.given: dict[str, Any] = {}
        self._registered: set[str] = set()

    def load_package(self, name: str) -> None:
        """Load each module of a package (or the module `name`); a leading underscore leaves a file out.

        HookError where there is no such package. One that was loaded already is not registered again.
        """
        package = _imported(name)
        self.register(package)
        for found in pkgutil.iter_modules(getattr(package, "__path__", [])):
            if not found.name.startswith("_"):
                self.register(importlib.import_module(f"{name}.{found.name}"))

    def register(self, module: ModuleType) -> None:
        """Register what the functions of `module` are marked as. HookError names a wrong point or argument."""
        if module.__name__ in self._registered:
            return
        self._registered.add(module.__name__)
        for function in vars(module).values():
            for mark in getattr(function, MARKS, []) if inspect.isfunction(function) else []:
                if function.__module__ == module.__name__:
                    self._add(mark, function)

    def _add(self, mark: Mark, function: Callable[..., Any]) -> None:
        if mark.kind == "hook":
            self.add(mark.name, function, mark.priority)
        elif mark.kind == "module":
            self.functions[mark.name] = function
        else:
            self.emails.append(Email(name=mark.name, fields=function, **mark.about))

    def add(self, point: str, function: Callable[..., Any], priority: int = 0) -> None:
        """Have `function` run at `point`. HookError where the point, or an argument, does not exist."""
        spec = getattr(hookspecs, point, None)
        if not inspect.isfunction(spec):
            raise HookError("There is no hook point {point} ({where}).", point=point, where=_where(function))
        known = set(inspect.signature(spec).parameters)
        for name in inspect.signature(function).parameters:
            if name not in known:
                raise HookError(
                    "{where} asks for {name}, which {point} does not give; it gives: {known}.",
                    where=_where(function), name=name, point=point, known=", ".join(sorted(known)) or "nothing",
                )  # fmt: skip
        entries = self._hooks.setdefault(point, [])
        entries.append((priority, function))
        entries.sort(key=lambda entry: entry[0])

    def run(self, point: str, **arguments: Any) -> list[Any]:
        """Run what is registered at `point`, in order: the answers that are not None.

        An error in a `PreModule…`, `PreBackup` or `PreRestore` hook is raised: what may refuse fails closed.
        Elsewhere it is logged and the next hook runs.
        """
        if not inspect.isfunction(getattr(hookspecs, point, None)):
            raise HookError("There is no hook point {point}.", point=point)
        return [answer for answer in self._answers(point, {**self.given, **arguments}) if answer is not None]

    def ask(self, point: str, **arguments: Any) -> list[dict[str, Any]]:
        """Run a point whose answers are dicts. Any other answer is a fault of the hook: logged, and left out."""
        answers = self.run(point, **arguments)
        for answer in answers:
            if not isinstance(answer, dict):
                log.error("a hook at %s answered %s; only a dict means something", point, type(answer).__name__)
        return [answer for answer in answers if isinstance(answer, dict)]

    def _answers(self, point: str, arguments: dict[str, Any]) -> Iterator[Any]:
        for _, function in self._hooks.get(point, []):
            wanted = inspect.signature(function).parameters
            try:
                yield function(**{name: value for name, value in arguments.items() if name in wanted})
            except Exception:
                if point.startswith("Pre") and point != "PreCronJob":
                    raise
                log.exception("hook %s at %s failed", _where(function), point)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that the host's own file fails to import is the host's to see, as it is.
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise HookError("PUQ_BACKUPS_HOOKS names {name}, and there is no such module.", name=name) from None


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', '?')}"
