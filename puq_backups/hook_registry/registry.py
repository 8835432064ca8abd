"""The registry of hooks, module functions and mails: filled as their modules are loaded, and run from here."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from ..errors import HookError
from . import points
from .decorators import MARKS, Email, Mark

log = logging.getLogger("puq_backups.hooks")
ENTRY_POINTS = "puq_backups.hooks"
"""The group under which an installed package names a module, or a package of modules, that holds hooks."""

GIVEN_TO_FUNCTIONS = frozenset({"context", "params", "actor"})
"""What a module function may ask for."""


@dataclass(frozen=True)
class Entry:
    """A hook at its point. `wanted` are the arguments it names; None: it takes all."""

    priority: int
    function: Callable[..., Any]
    wanted: frozenset[str] | None

    def __call__(self, arguments: dict[str, Any]) -> Any:
        wanted = arguments.keys() if self.wanted is None else self.wanted
        return self.function(**{name: value for name, value in arguments.items() if name in wanted})


class Hooks:
    """The registry of one application. `given` are arguments that every point gives, besides those of its run."""

    def __init__(self) -> None:
        self._hooks: dict[str, list[Entry]] = {}
        self.functions: dict[str, Callable[..., Any]] = {}
        self.pages: set[str] = set()
        self.emails: list[Email] = []
        self.given: dict[str, Any] = {}
        self._registered: set[str] = set()

    def load_all(self, modules: Iterable[str]) -> None:
        """Load our own hooks, those of installed packages, then those of the host: its word is the last."""
        self.load_package("puq_backups.hooks")
        for found in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: (one.name, one.value)):
            self.load_package(found.module, f"The entry point {found.name}")
        for name in modules:
            self.load_package(name)

    def load_package(self, name: str, named_by: str = "PUQ_BACKUPS_HOOKS") -> None:
        """Load each module of a package (or the module `name`); a leading underscore leaves a file out.

        HookError where there is no such package. One that was loaded already is not registered again.
        """
        package = _imported(name, named_by)
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
        elif mark.kind == "email":
            self.emails.append(Email(name=mark.name, fields=function, **mark.about))
        else:
            _wanted(function, GIVEN_TO_FUNCTIONS, "a module function is not given")
            self.functions[mark.name] = function
            (self.pages.add if mark.kind == "page" else self.pages.discard)(mark.name)

    def add(self, point: str, function: Callable[..., Any], priority: int = 0) -> None:
        """Have `function` run at `point`. HookError where point, argument or priority cannot be."""
        spec = getattr(points, point, None)
        if not inspect.isfunction(spec):
            raise HookError("There is no hook point {point} ({where}).", point=point, where=_where(function))
        if not isinstance(priority, int):
            raise HookError("The priority of {where} is not a whole number.", where=_where(function))
        known = frozenset(inspect.signature(spec).parameters)
        entries = self._hooks.setdefault(point, [])
        entries.append(Entry(priority, function, _wanted(function, known, f"{point} does not give")))
        entries.sort(key=lambda entry: entry.priority)

    def run(self, point: str, **arguments: Any) -> list[Any]:
        """Run what is registered at `point`, in order: the answers that are not None.

        An error in a hook that may refuse (`Pre…`, but PreCronJob) is raised: it fails closed. Elsewhere it is
        logged and the next hook runs.
        """
        spec = getattr(points, point, None)
        if not inspect.isfunction(spec):
            raise HookError("There is no hook point {point}.", point=point)
        arguments = {**_defaults(spec), **self.given, **arguments}
        return [answer for answer in self._answers(point, arguments) if answer is not None]

    def run_for_dicts(self, point: str, **arguments: Any) -> list[dict[str, Any]]:
        """Run a point whose answers are dicts. Any other answer is a fault of the hook: logged, and left out."""
        answers = self.run(point, **arguments)
        for answer in answers:
            if not isinstance(answer, dict):
                log.error("a hook at %s answered %s; only a dict means something", point, type(answer).__name__)
        return [answer for answer in answers if isinstance(answer, dict)]

    def _answers(self, point: str, arguments: dict[str, Any]) -> Iterator[Any]:
        for entry in self._hooks.get(point, []):
            try:
                yield entry(arguments)
            except Exception:
                if point.startswith("Pre") and point != "PreCronJob":
                    raise
                log.exception("hook %s at %s failed", _where(entry.function), point)


def _wanted(function: Callable[..., Any], known: frozenset[str], not_given: str) -> frozenset[str] | None:
    """The arguments that a function names, None where it takes any. HookError where one is not among `known`."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    for name in parameters:
        if name not in known:
            raise HookError(
                "{where} asks for {name}, which {not_given}; it gives: {known}.",
                where=_where(function), name=name, not_given=not_given, known=", ".join(sorted(known)) or "nothing",
            )  # fmt: skip
    return frozenset(parameters)


def _defaults(spec: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(spec).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


def _imported(name: str, named_by: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A module that the host's own file fails to import is the host's to see, as it is.
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise HookError(
            "{named_by} names {name}, and there is no such module.", named_by=named_by, name=name
        ) from None


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', '?')}"
