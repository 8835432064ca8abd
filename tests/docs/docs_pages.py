"""Reads the pages in docs/: text and tables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import click
from support.services import ROOT

from puq_backups.cli import backups as commands
from puq_backups.hook_registry import points
from puq_backups.hook_registry.registry import Hooks

PAGES = sorted((ROOT / "docs").glob("*.md"))
POINTS = {name: spec for name, spec in vars(points).items() if inspect.isfunction(spec)}


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text()


def everything() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "README.md", *PAGES))


def rows(name: str) -> dict[str, list[str]]:
    """The rows of a page's tables by their first cell, without its backticks."""
    lines = [line for line in page(name).splitlines() if line.startswith("| ") and not line.startswith("|--")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].replace("`", "").replace("\\|", "|"): row[1:] for row in cells}


def loaded() -> Hooks:
    hooks = Hooks()
    hooks.load_package("puq_backups.hooks")
    return hooks


def walk(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from (
            walk(command, f"{path} {name}") if isinstance(command, click.Group) else [(f"{path} {name}", command)]
        )


COMMANDS = dict(walk(commands, "flask backups"))


def read_by(function: Any) -> set[str]:
    """The params that a module function reads by name."""
    return set(re.findall(r'params(?:\.get\(|\[|, )"(\w+)"', inspect.getsource(function)))
