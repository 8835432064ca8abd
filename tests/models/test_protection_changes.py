"""Whatever changes how a service is protected is noticed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from puq_backups.models import ACTIVE_STATES, changes

ROOT = Path(__file__).parents[2]
MODELS = {model.__name__: set(columns) for model, columns in changes.WATCHED.items()}


def updates(function: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Models that a function changes by an UPDATE of its own, with all columns that its `.values(…)` name."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    named = {
        keyword.arg or "" for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "values"
        for keyword in call.keywords if not _stays_open(keyword)
    }  # fmt: skip
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == "update" and isinstance(call.args[0], ast.Name):
            yield call.args[0].id, named


def _stays_open(keyword: ast.keyword) -> bool:
    """Whether it makes a scheduled run that is open stay open."""
    states = [node.value for node in ast.walk(keyword.value) if isinstance(node, ast.Constant)]
    return keyword.arg == "state" and set(states) <= set(ACTIVE_STATES)


@pytest.mark.flow
def test_updates_that_no_flush_shows_say_whom_they_concern() -> None:
    silent = []
    for path in sorted((ROOT / "puq_backups").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            watched = [model for model, columns in updates(function) if columns & MODELS.get(model, set())]
            if watched and "changes.concern" not in ast.unparse(function):
                silent.append((str(path.relative_to(ROOT)), function.name, watched))

    assert silent == []
