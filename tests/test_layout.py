"""How the sources are laid out: short files, one subject each, and test modules that do not import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from support.services import ROOT

FOLDERS = ("puq_backups", "hooks", "templates", "lang", "tests", "demo", "bench", "tools", "examples", "deploy")
"""Where Python files of ours are. An sdist has the same folders, so that no git is needed to find them."""
SIMULATOR = ROOT / "puq_backups" / "simulator"


def python_files() -> Iterator[Path]:
    yield from ROOT.glob("*.py")
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def most_lines(path: Path) -> int:
    """How many lines a file may have."""
    return 350 if path.is_relative_to(SIMULATOR) else 250


def imported(tree: ast.AST) -> Iterator[str]:
    """The last part of the name of each module that is imported, and each name imported from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.rpartition(".")[2] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").rpartition(".")[2]
            yield from (alias.name for alias in node.names)


def test_no_file_is_too_long() -> None:
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in python_files()}

    assert len(lines) > 400
    assert {str(path): count for path, count in lines.items() if count > most_lines(ROOT / path)} == {}


def test_no_test_module_imports_another() -> None:
    """What several of them need stands in a helper module or a conftest.py, where a reader looks for it."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.name.startswith("test_")]
    names = {path.stem for path in tests}
    found = {(path.name, name) for path in tests for name in imported(ast.parse(path.read_text())) if name in names}

    assert len(names) > 150
    assert found == set()
