"""What all our tables share: declarative base, names of constraints, UTC times, ids."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, String
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

PREFIX = "puq_backups_"
VERSION_TABLE = "puq_backups_alembic"
ID = String(64)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, kept to the microsecond on each database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - its form
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - its form
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Ours alone: the host's models, metadata and migrations stay the host's."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )


def is_valid_id(text: str) -> bool:
    """Whether this may be an id of ours or the host's: some databases refuse even to look for anything else."""
    return 0 < len(text) <= 64 and text.isprintable()  # noqa: PLR2004 - VARCHAR(64)


def new_id() -> str:
    """A random id of 32 hex characters."""
    return uuid.uuid4().hex


def now() -> datetime:
    """This moment by our own clock, aware, in UTC."""
    return datetime.now(UTC)
