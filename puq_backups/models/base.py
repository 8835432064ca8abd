"""Declarative base, constraint names, UTC datetimes and ids of all tables."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, DateTime, Dialect, MetaData, String, bindparam
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

PREFIX = "puq_backups_"
VERSION_TABLE = "puq_backups_alembic"
ID = String(64)


class UTCDateTime(TypeDecorator[datetime]):
    """Aware datetime, stored in UTC with microseconds on every database. Raises ValueError for a naive datetime."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Declarative base with its own metadata: the host's models and migrations are not affected."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )


def is_valid_id(text: str) -> bool:
    """Return whether `text` can be an id: 1 to 64 printable characters. PostgreSQL raises on some others."""
    return 0 < len(text) <= 64 and text.isprintable()  # noqa: PLR2004 - VARCHAR(64)


def new_id() -> str:
    """Return a random id of 32 hexadecimal characters."""
    return uuid.uuid4().hex


def now() -> datetime:
    """Return the current time of this machine, aware, in UTC."""
    return datetime.now(UTC)


def at_present(later: timedelta = timedelta()) -> BindParameter[datetime]:
    """The time of this machine when a statement is executed, plus `later`.

    It is for statements made once: building one costs more than most databases need for it.
    """
    return bindparam(None, callable_=lambda: now() + later, type_=UTCDateTime())
