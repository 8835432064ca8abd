"""Registry of hooks, module functions and mails: loads their modules and runs the hooks."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from ..errors import HookError
from . import points
from .decorators import MARKS, Email, Mark

log = logging.getLogger("puq_backups.hooks")
ENTRY_POINTS = "puq_backups.hooks"
"""Entry point group in which an installed package names a module or package with hooks."""

FUNCTION_ARGUMENTS = frozenset({"context", "params", "actor"})
"""Arguments that a module function may take."""


@dataclass(frozen=True)
class RegisteredHook:
    """A hook at its point. `wanted` are the arguments that it takes, None for all."""

    priority: int
    function: Callable[..., Any]
    wanted: frozenset[str] | None

    def __call__(self, arguments: dict[str, Any]) -> Any:
        wanted = arguments.keys() if self.wanted is None else self.wanted
        return self.function(**{name: value for name, value in arguments.items() if name in wanted})


class Hooks:
    """Registry of one application. `given` are arguments added to those of each run."""

    def __init__(self) -> None:
        self._hooks: dict[str, list[RegisteredHook]] = {}
        self.functions: dict[str, Callable[..., Any]] = {}
        self.pages: set[str] = set()
        self.emails: list[Email] = []
        self.given: dict[str, Any] = {}
        self._registered: set[str] = set()

    def load_all(self, modules: Iterable[str]) -> None:
        """Load our own hooks, those of installed packages, then those of the host, which win.

        Raises HookError for a module of the host that cannot be loaded or holds no hook.
        """
        self.load_package("puq_backups.hooks")
        for found in _entry_points(tuple(sys.path)):
            self.load_package(found.module, f"The entry point {found.name}")
        for name in modules:
            if not self.load_package(name):
                raise HookError(
                    "PUQ_BACKUPS_HOOKS names {name}, and there is no hook in it: mark its functions with @hook.",
                    name=name,
                )

    def load_package(self, name: str, named_by: str = "PUQ_BACKUPS_HOOKS") -> bool:
        """Load all modules of a package, or the module `name`. Files with a leading underscore are skipped.

        `named_by` is the setting or entry point named in errors. Raises HookError if there is no such module. A
        module is registered once. Returns whether any function there is marked.
        """
        package = _imported(name, named_by)
        found = [
            importlib.import_module(f"{name}.{module.name}")
            for module in pkgutil.iter_modules(getattr(package, "__path__", []))
            if not module.name.startswith("_")
        ]
        for module in (package, *found):
            self.register(module)
        return any(_marked(module) for module in (package, *found))

    def register(self, module: ModuleType) -> None:
        """Register the marked functions of a module. Raises HookError naming a wrong point or argument."""
        if module.__name__ in self._registered:
            return
        self._registered.add(module.__name__)
        for function in _marked(module):
            for mark in getattr(function, MARKS):
                self._add(mark, function)

    def _add(self, mark: Mark, function: Callable[..., Any]) -> None:
        if mark.kind == "hook":
            self.add(mark.name, function, mark.priority)
        elif mark.kind == "email":
            self.emails.append(Email(name=mark.name, fields=function, **mark.about))
        else:
            _wanted(function, FUNCTION_ARGUMENTS, "a module function is not given")
            self.functions[mark.name] = function
            (self.pages.add if mark.kind == "page" else self.pages.discard)(mark.name)

    def add(self, point: str, function: Callable[..., Any], priority: int = 0) -> None:
        """Register `function` at `point`. Raises HookError for a wrong point, argument or priority."""
        spec = getattr(points, point, None)
        if not inspect.isfunction(spec):
            raise HookError("There is no hook point {point} ({where}).", point=point, where=_where(function))
        if not isinstance(priority, int):
            raise HookError("The priority of {where} is not a whole number.", where=_where(function))
        known = frozenset(inspect.signature(spec).parameters)
        entries = self._hooks.setdefault(point, [])
        entries.append(RegisteredHook(priority, function, _wanted(function, known, f"{point} does not give")))
        entries.sort(key=lambda entry: entry.priority)

    def run(self, point: str, **arguments: Any) -> list[Any]:
        """Run the hooks at `point` in order and return their answers that are not None.

        `arguments` are passed by name. An error in a `Pre…` hook (except PreCronJob) is raised; any other is logged
        and the next hook runs. Raises HookError for an unknown point.
        """
        spec = getattr(points, point, None)
        if not inspect.isfunction(spec):
            raise HookError("There is no hook point {point}.", point=point)
        arguments = {**_defaults(spec), **self.given, **arguments}
        return [answer for answer in self._answers(point, arguments) if answer is not None]

    def run_for_dicts(self, point: str, **arguments: Any) -> list[dict[str, Any]]:
        """Run the hooks at `point` and return their dict answers. Any other answer is logged and dropped."""
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


@cache
def _entry_points(path: tuple[str, ...]) -> list[EntryPoint]:  # noqa: ARG001 - what the answer depends on
    """Return the entry points of installed packages. Reading them all takes longer than the rest of `load_all`."""
    return sorted(entry_points(group=ENTRY_POINTS), key=lambda one: (one.name, one.value))


def _marked(module: ModuleType) -> list[Callable[..., Any]]:
    """Return the functions defined in `module` that carry a mark."""
    functions = [found for found in vars(module).values() if inspect.isfunction(found) and hasattr(found, MARKS)]
    return [function for function in functions if function.__module__ == module.__name__]


def _wanted(function: Callable[..., Any], known: frozenset[str], not_given: str) -> frozenset[str] | None:
    """Return the arguments that a function names, None if it takes any. Raises HookError if one is not in `known`."""
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
        # An import that fails inside the host's module is raised unchanged.
        if not f"{name}.".startswith(f"{error.name}."):
            raise
        raise HookError(
            "{named_by} names {name}, and there is no such module.", named_by=named_by, name=name
        ) from None


def _where(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{getattr(function, '__qualname__', '?')}"
