"""Finds the texts of our Python files for the catalogues; babel.cfg names it.

The files are read, not run: a text counts wherever it is handed over, in one line or many, by position or name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import puq_backups

SAYERS = {"N_": "text", "_": "text", "gettext": "text", "Message": "text"}
"""Functions whose first argument is said to people."""

ENGLISH = {"SettingError", "HookError"}
"""Errors that only whoever runs the program meets; they stay English."""

ROOT, PROXMOX = "BackupsError", "ProxmoxError"


@dataclass(frozen=True)
class Error:
    """One of our errors: where its text stands among the arguments, and whether its docstring may stand in."""

    position: int
    optional: bool
    theirs: bool
    """The text is Proxmox's own reason, which nobody can translate."""


def sentences(file: Any, *_given: Any, **_options: Any) -> Iterator[tuple[Any, ...]]:
    """Every text of a file that is said to people, as Babel wants it: line, function, text, comments."""
    tree = ast.parse(file.read())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _name(call.func) == "ngettext":
            yield call.lineno, "ngettext", tuple(text for one in call.args for text in texts(one)), []
        for argument in said(call):
            yield from ((call.lineno, "N_", text, []) for text in texts(argument) if has_words(text))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from ((node.lineno, "N_", text, []) for text in _docstring(node))


def has_words(text: str) -> bool:
    """Whether there is anything to translate beside the {named} places."""
    return bool(re.search(r"[^\W\d_]", re.sub(r"{\w+}", "", text)))


def said(call: ast.Call) -> Iterator[ast.expr]:
    """The argument of a call that people are shown, if it has one."""
    name = _name(call.func)
    error = errors().get(name)
    if name not in SAYERS and (error is None or error.theirs):
        return
    position = error.position if error else 0
    if len(call.args) > position:
        yield call.args[position]
    elif error:
        yield from (keyword.value for keyword in call.keywords if keyword.arg == "text")


def texts(argument: ast.expr) -> Iterator[str]:
    """The texts that an argument may be: one, or one for each branch of a condition."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.IfExp):
        yield from (*texts(argument.body), *texts(argument.orelse))
    elif isinstance(argument, ast.BoolOp):
        yield from (text for value in argument.values for text in texts(value))


@cache
def errors() -> dict[str, Error]:
    """Our errors by name, wherever in the package they are defined."""
    package = Path(puq_backups.__file__).parent
    sources = [path for path in package.rglob("*.py") if "simulator" not in path.parts]
    trees = [ast.parse(path.read_bytes()) for path in sources]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {ROOT: Error(0, optional=True, theirs=False)}
    while more := {node.name: _error(node, found) for node in classes if _is_error(node, found)}:
        found.update(more)
    return {name: error for name, error in found.items() if name not in ENGLISH}


def _is_error(node: ast.ClassDef, found: Iterable[str]) -> bool:
    return node.name not in found and any(_name(base) in found for base in node.bases)


def _error(node: ast.ClassDef, found: dict[str, Error]) -> Error:
    parent = next(found[_name(base)] for base in node.bases if _name(base) in found)
    theirs = parent.theirs or node.name == PROXMOX
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            names = [argument.arg for argument in method.args.args]
            if "text" not in names:
                return Error(0, optional=False, theirs=True)
            position = names.index("text")
            return Error(position - 1, position >= len(names) - len(method.args.defaults), theirs)
    return Error(parent.position, parent.optional, theirs)


def _docstring(node: ast.ClassDef) -> Iterator[str]:
    """The docstring of one of our errors, where it is one sentence: said when no text is given."""
    error = errors().get(node.name) if node.name != ROOT else None
    text = (ast.get_docstring(node, clean=False) or "").strip()
    if error and error.optional and text and "\n" not in text:
        yield text


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
