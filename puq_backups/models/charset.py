"""Finds what cannot hold every text on MariaDB and MySQL: a connection or a table that is not utf8mb4."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from .base import PREFIX

CONNECTION = "SELECT @@character_set_connection"
TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
    "AND LEFT(table_name, :length) = :prefix AND table_collation NOT LIKE 'utf8mb4%'"
)


def narrow(session: Session) -> tuple[str, list[str]]:
    """The connection's charset if it is not utf8mb4, else "", and our tables that are not; ("", []) elsewhere."""
    if session.get_bind().dialect.name not in {"mysql", "mariadb"}:
        return "", []
    charset = str(session.scalar(text(CONNECTION)))
    tables = session.scalars(text(TABLES), {"length": len(PREFIX), "prefix": PREFIX}).all()
    return "" if charset == "utf8mb4" else charset, sorted(map(str, tables))
