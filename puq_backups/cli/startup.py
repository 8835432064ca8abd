"""Explains why the host's application does not start, as far as that is up to a setting."""

from __future__ import annotations

from flask.cli import NoAppException
from sqlalchemy.exc import ArgumentError

DRIVERS = frozenset({"psycopg", "psycopg2", "pymysql", "MySQLdb"})
"""Modules that SQLAlchemy imports for PostgreSQL and MariaDB."""


def explain(error: BaseException) -> str | None:
    """Return what is wrong with SQLALCHEMY_DATABASE_URI or `db`; None if the error has another cause."""
    # Flask puts the traceback of an import into the text of its own error.
    cause = error.__context__ if isinstance(error, NoAppException) else error
    if isinstance(cause, ArgumentError):
        return f"SQLALCHEMY_DATABASE_URI: {cause}".partition("\n")[0]
    if isinstance(cause, ModuleNotFoundError) and cause.name in DRIVERS:
        return (
            f"SQLALCHEMY_DATABASE_URI asks for the driver {cause.name}, which is not installed. Let it begin with "
            "postgresql+psycopg:// or mysql+pymysql://, and install puq-backups[postgresql] or puq-backups[mysql]."
        )
    if isinstance(cause, RuntimeError) and "SQLAlchemy" in str(cause):
        return f"The db that init_app got has no engine: {cause}"
    return None
