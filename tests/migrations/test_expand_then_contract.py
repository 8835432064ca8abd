"""Old code goes on beside new tables for one release, and rows outlive every step of the history."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, DateTime, Engine, MetaData, NullPool, Table, create_engine, func, select

from puq_backups.migrations import running, versions

SCRIPTS = sorted(Path(versions.__path__[0]).glob("[0-9]*.py"))
REVISIONS = [script.revision for script in ScriptDirectory.from_config(
    running.config(create_engine("sqlite://"))
).walk_revisions()][::-1]  # fmt: skip
CONTRACTS = {"drop_table", "drop_column", "drop_constraint", "rename_table", "alter_column", "execute"}
"""What may take something away from the code of the release before, or change it."""
REMOVED_AFTER_A_RELEASE: dict[str, str] = {}
"""Scripts that contract, with the release since which nothing uses what they take away."""


@pytest.fixture
def engine(any_database_url: str) -> Iterator[Engine]:
    engine = create_engine(any_database_url, poolclass=NullPool)
    yield engine
    engine.dispose()


def operations(script: Path) -> Iterator[ast.Call]:
    """The calls of alembic's operations in a script, those of `downgrade` left out."""
    for function in ast.parse(script.read_text()).body:
        if isinstance(function, ast.FunctionDef) and function.name != "downgrade":
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    yield node


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_migration_only_adds(script: Path) -> None:
    if script.stem in REMOVED_AFTER_A_RELEASE:
        return
    for call in operations(script):
        assert isinstance(call.func, ast.Attribute)
        assert call.func.attr not in CONTRACTS, f"{script.name}, line {call.lineno}"
        if call.func.attr == "add_column":
            text = ast.unparse(call)
            assert "nullable=True" in text or "server_default=" in text, f"{script.name}, line {call.lineno}: {text}"


def filled(engine: Engine) -> dict[str, int]:
    """Put a row into each table of ours that has none; the number of rows by table."""
    metadata = MetaData()
    metadata.reflect(engine, only=lambda name, _: name.startswith("puq_backups_"))
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            if not connection.scalar(select(func.count()).select_from(table)):
                connection.execute(table.insert().values(values(table)))
    return counted(engine)


def values(table: Table) -> dict[str, Any]:
    """Something for each column that must have a value, the same text wherever rows refer to each other."""
    found: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable or (column.primary_key and column.autoincrement is True):
            continue
        kind = column.type
        if isinstance(kind, JSON) or column.name in {"data", "warnings", "reason", "package", "schedule", "values"}:
            found[column.name] = "{}" if not isinstance(kind, JSON) else {}
        elif isinstance(kind, DateTime):
            found[column.name] = datetime(2026, 1, 1)  # noqa: DTZ001 - as it is stored
        else:
            found[column.name] = {int: 1, bool: True, bytes: b"1"}.get(kind.python_type, "1")
    return found


def counted(engine: Engine) -> dict[str, int]:
    metadata = MetaData()
    metadata.reflect(engine, only=lambda name, _: name.startswith("puq_backups_") and not name.endswith("alembic"))
    with engine.connect() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
        }


def test_rows_of_every_revision_go_up_and_down(engine: Engine) -> None:
    before: dict[str, int] = {}
    for revision in REVISIONS:
        command.upgrade(running.config(engine), revision)
        assert {name: count for name, count in counted(engine).items() if name in before} == before
        before = {name: count for name, count in filled(engine).items() if not name.endswith("alembic")}
        assert set(before.values()) == {1}

    for revision in reversed(REVISIONS[:-1]):
        running.downgrade(engine, revision)
        assert set(counted(engine).values()) == {1}
    running.downgrade(engine, "base")
    assert counted(engine) == {}
