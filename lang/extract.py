"""Finds the texts of our Python files for the catalogues; babel.cfg names it."""

import ast
from collections.abc import Iterator
from typing import Any

from babel.messages.extract import extract_python

from puq_backups import errors

OPERATORS = {errors.BackupsError, errors.SettingError, errors.HookError}
"""Errors that only whoever runs the program meets; they stay English."""

ERRORS = {
    name
    for name, thing in vars(errors).items()
    if isinstance(thing, type) and issubclass(thing, errors.BackupsError) and thing not in OPERATORS
}
TEXTS = {"N_": 0, "_": 0, "gettext": 0, "Message": 0, "BadInput": 1} | dict.fromkeys(ERRORS - {"BadInput"}, 0)
TEXTS |= {"email_template": 0}
"""Calls whose texts are said to people, and which of their arguments is the text."""


def sentences(file: Any, _keywords: Any, comment_tags: Any, options: Any) -> Iterator[tuple[Any, ...]]:
    """Every text handed to one of `TEXTS` or to ngettext, then the docstrings that are messages."""
    for line, name, found, comments in extract_python(file, [*TEXTS, "ngettext"], comment_tags, options):
        arguments = found if isinstance(found, (tuple, list)) else (found,)
        if name == "ngettext":
            yield line, name, arguments, comments
        elif len(arguments) > TEXTS[name] and arguments[TEXTS[name]]:
            yield line, "N_", arguments[TEXTS[name]], comments
    file.seek(0)
    yield from _docstrings(ast.parse(file.read()))


def _docstrings(tree: ast.Module) -> Iterator[tuple[Any, ...]]:
    """The docstring of each of our errors, where it is one sentence: said when no text is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and (node.name in ERRORS or _from_errors(node)):
            text = (ast.get_docstring(node, clean=False) or "").strip()
            if text and "\n" not in text:
                yield node.lineno, "N_", text, []


def _from_errors(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id in ERRORS for base in node.bases)
