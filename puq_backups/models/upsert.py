"""Inserts that two processes may make at the same time."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from .base import Base


def insert_missing(session: Session, model: type[Base], **values: Any) -> None:
    """Insert a row, unless there is one with the same unique columns. Read it afterwards with `with_for_update()`.

    Without that MariaDB does not see the row of another transaction that was committed meanwhile.
    """
    session.flush()
    table: Any = model.__table__
    dialect = session.get_bind().dialect.name
    if dialect in {"mysql", "mariadb"}:
        first = next(iter(table.primary_key))
        insert = mysql.insert(table).values(**values)
        # Changes nothing. INSERT IGNORE would hide other errors too.
        session.execute(insert.on_duplicate_key_update(**{first.name: first}))
    else:
        kind = postgresql if dialect == "postgresql" else sqlite
        session.execute(kind.insert(table).values(**values).on_conflict_do_nothing())
