"""The database's time as a part of a statement: leases use it, because all workers share it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Float, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from .base import UTCDateTime


class DatabaseTime(FunctionElement[datetime]):
    """The time of the database in UTC, plus `seconds`. Aware when it is read."""

    name = "database_time"
    inherit_cache = True
    type = UTCDateTime()

    def __init__(self, seconds: float | BindParameter[Any] = 0.0) -> None:
        super().__init__(seconds if isinstance(seconds, BindParameter) else literal(float(seconds), Float()))


@compiles(DatabaseTime, "sqlite")
def _sqlite(time: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    # Of the length of the stored times: SQLite compares them as texts.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {compiler.process(time.clauses, **options)} || ' seconds')"


@compiles(DatabaseTime, "postgresql")
def _postgresql(time: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(time.clauses, **options)
    return f"((clock_timestamp() AT TIME ZONE 'utc') + make_interval(secs => {seconds}))"


@compiles(DatabaseTime, "mysql")
@compiles(DatabaseTime, "mariadb")
def _mariadb(time: DatabaseTime, compiler: SQLCompiler, **options: Any) -> str:
    return f"(UTC_TIMESTAMP(6) + INTERVAL {compiler.process(time.clauses, **options)} SECOND)"


NOW = select(DatabaseTime())


def database_now(session: Session) -> datetime:
    """Return the current time of the database, aware, in UTC."""
    found: datetime = session.connection().execute(NOW).scalar_one()
    return found
