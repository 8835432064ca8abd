"""Databases for tests: real servers on 127.0.0.1, and our tables in them.

A server that is not there is not replaced: `services.left_out` remembers why.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Engine, StaticPool, create_engine, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from support.services import left_out

from puq_backups.migrations import running

DATABASES = ("sqlite", "postgresql", "mariadb")
SERVERS = {
    "postgresql": os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get(
        "TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/?charset=utf8mb4&ssl_disabled=true"
    ),
}


@cache
def why_no_database(kind: str) -> str:
    """Empty when the database server `kind` answers, else the reason."""
    if kind == "sqlite":
        return ""
    try:
        with admin(kind) as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        left_out[kind] = f"no {kind} at {_shown(SERVERS[kind])} ({str(error).splitlines()[0][:120]})"
    return left_out.get(kind, "")


@contextmanager
def scratch_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of its own; gone afterwards. SQLite is in WAL mode, as in production."""
    if kind == "sqlite":
        yield sqlite_file(folder)
        return
    name = f"puqb_test_{uuid.uuid4().hex[:12]}"
    with admin(kind) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(SERVERS[kind]).set(database=name).render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        with admin(kind) as connection:
            connection.execute(text(f"DROP DATABASE {name}{force}"))


def sqlite_file(folder: Path) -> str:
    """The URL of a fresh SQLite file in `folder`, in WAL mode."""
    url = f"sqlite:///{folder / f'{uuid.uuid4().hex[:8]}.sqlite'}"
    engine = create_engine(url)
    with engine.connect() as connection:
        # Nothing here outlives the machine, so SQLite need not wait for the disk.
        connection.execute(text("PRAGMA synchronous=OFF"))
        connection.execute(text("PRAGMA journal_mode=wal"))
    engine.dispose()
    return url


def make_tables(engine: Engine) -> None:
    """Make our tables in an empty database. SQLite gets a copy of what the migrations made once in this process."""
    if engine.dialect.name != "sqlite" or inspect(engine).get_table_names():
        running.upgrade(engine)
        return
    with engine.connect() as connection:
        _migrated().backup(connection.connection.dbapi_connection)


@cache
def _migrated() -> sqlite3.Connection:
    """A SQLite database in memory with our tables."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    running.upgrade(engine)
    with engine.connect() as connection:
        return cast("sqlite3.Connection", connection.connection.dbapi_connection)


@contextmanager
def admin(kind: str) -> Iterator[Any]:
    """A connection to the server `kind` itself, without a transaction."""
    url: URL = make_url(SERVERS[kind])
    engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _shown(url: str) -> str:
    return f"{make_url(url).host}:{make_url(url).port}"
