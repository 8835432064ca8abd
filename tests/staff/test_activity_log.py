"""The activity log for staff: a word for each action, the name of each service."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import puq_backups
from puq_backups.operations.kinds import STEPS
from puq_backups.staff.activity import VERBS

PACKAGE = Path(puq_backups.__file__).parent
ACTION = 3
"""Position of the action in a call of `audit`."""


def test_every_action_that_is_written_has_a_word() -> None:
    """Of Proxmox's tasks too; steps that change something without a task are written by their own names."""
    assert set(written()) | set(STEPS) <= set(VERBS)


def written() -> Iterator[str]:
    """Actions that stand in calls of `audit`, and types of tasks in calls of `Start`."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "audit" and len(node.args) > ACTION:
                yield from constants(node.args[ACTION])
            elif node.func.id == "Start":
                yield from (word for arg in node.keywords if arg.arg == "type" for word in constants(arg.value))


def constants(node: ast.expr) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and re.fullmatch(r"[a-z]+", one.value):
            yield one.value
