"""Runs the migrations. They have their own version table beside the host's.

Alembic is imported where it is used: most processes never need it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError, SQLAlchemyError

from ..errors import Message
from ..models import VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config

OUTDATED = Message("The tables of puq-backups are not up to date: run `flask backups db upgrade`.")


def config(engine: Engine) -> Config:
    """Return Alembic's configuration for `engine`."""
    found = _scripts()
    found.attributes["engine"] = engine
    return found


def _scripts() -> Config:
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(files("puq_backups.migrations")).replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    return found


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Upgrade our tables to `revision`."""
    from alembic import command

    command.upgrade(config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Downgrade our tables to `revision`; "base" drops them."""
    from alembic import command

    command.downgrade(config(engine), revision)


def current(engine: Engine) -> str | None:
    """Return the current revision of our tables, None if there are none."""
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()


@cache
def head() -> str | None:
    """Return the revision that this version of the package needs."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_scripts()).get_current_head()


def is_current(engine: Engine) -> bool:
    """Return whether our tables have the revision that this version needs."""
    return current(engine) == head()


def explains(error: BaseException, engine: Engine) -> bool:
    """Return whether a database error comes from tables that were not upgraded (`OUTDATED` says what to do)."""
    if not isinstance(error, ProgrammingError | OperationalError):
        return False
    try:
        return not is_current(engine)
    except SQLAlchemyError:
        return False
