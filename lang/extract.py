"""Babel extractor for messages in Python files; named in babel.cfg.

Parses the files without importing them. Finds a message passed by position or by keyword, on one line or several.
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

MESSAGE_FUNCTIONS = {"N_", "_", "gettext", "Message"}
"""Functions and classes whose first argument is a message."""

NOT_TRANSLATED = {"SettingError", "HookError"}
"""Errors seen only by developers and operators; not translated."""

ROOT, PROXMOX = "BackupsError", "ProxmoxError"


@dataclass(frozen=True)
class ErrorSignature:
    """Signature of an error class: position of its text argument, and whether its docstring is the default text."""

    position: int
    optional: bool
    untranslatable: bool
    """The text is Proxmox's own message and is not translated."""


def extract_messages(file: Any, *_given: Any, **_options: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the messages of a file as Babel expects them: line, function, text, comments."""
    tree = ast.parse(file.read())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if _name(call.func) == "ngettext":
            yield call.lineno, "ngettext", tuple(text for one in call.args for text in literal_texts(one)), []
        for argument in message_argument(call):
            yield from ((call.lineno, "N_", text, []) for text in literal_texts(argument) if has_words(text))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from ((node.lineno, "N_", text, []) for text in _docstring(node))


def has_words(text: str) -> bool:
    """Whether the text has letters outside of {placeholders}."""
    return bool(re.search(r"[^\W\d_]", re.sub(r"{\w+}", "", text)))


def message_argument(call: ast.Call) -> Iterator[ast.expr]:
    """Yield the message argument of a call, if it has one."""
    name = _name(call.func)
    if name == "__init__" and call.args and isinstance(call.args[0], ast.Constant):
        # An error class that gives its parent the text.
        yield call.args[0]
        return
    error = errors().get(name)
    if name not in MESSAGE_FUNCTIONS and (error is None or error.untranslatable):
        return
    position = error.position if error else 0
    if len(call.args) > position:
        yield call.args[position]
    elif error:
        yield from (keyword.value for keyword in call.keywords if keyword.arg == "text")


def literal_texts(argument: ast.expr) -> Iterator[str]:
    """Yield the string literals that an argument may be: one, or one for each branch of a condition."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.IfExp):
        yield from (*literal_texts(argument.body), *literal_texts(argument.orelse))
    elif isinstance(argument, ast.BoolOp):
        yield from (text for value in argument.values for text in literal_texts(value))


@cache
def errors() -> dict[str, ErrorSignature]:
    """Return the signatures of our errors by class name, from the whole package."""
    package = Path(puq_backups.__file__).parent
    sources = [path for path in package.rglob("*.py") if "simulator" not in path.parts]
    trees = [ast.parse(path.read_bytes()) for path in sources]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = {ROOT: ErrorSignature(0, optional=True, untranslatable=False)}
    while more := {node.name: _signature(node, found) for node in classes if _is_error(node, found)}:
        found.update(more)
    return {name: error for name, error in found.items() if name not in NOT_TRANSLATED}


def _is_error(node: ast.ClassDef, found: Iterable[str]) -> bool:
    return node.name not in found and any(_name(base) in found for base in node.bases)


def _signature(node: ast.ClassDef, found: dict[str, ErrorSignature]) -> ErrorSignature:
    parent = next(found[_name(base)] for base in node.bases if _name(base) in found)
    untranslatable = parent.untranslatable or node.name == PROXMOX
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            names = [argument.arg for argument in method.args.args]
            if "text" not in names:
                return ErrorSignature(0, optional=False, untranslatable=True)
            position = names.index("text")
            return ErrorSignature(position - 1, position >= len(names) - len(method.args.defaults), untranslatable)
    return ErrorSignature(parent.position, parent.optional, untranslatable)


def _docstring(node: ast.ClassDef) -> Iterator[str]:
    """Yield the docstring of an error class if it is one sentence; it is the message when no text is given."""
    error = errors().get(node.name) if node.name != ROOT else None
    text = (ast.get_docstring(node, clean=False) or "").strip()
    if error and error.optional and text and "\n" not in text:
        yield text


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
