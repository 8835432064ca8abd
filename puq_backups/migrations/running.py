"""Runs the migrations. They have their own version table beside the host's."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from ..models import VERSION_TABLE


def config(engine: Engine) -> Config:
    """Return Alembic's configuration for `engine`."""
    found = Config()
    found.set_main_option("script_location", str(files("puq_backups.migrations")).replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    found.attributes["engine"] = engine
    return found


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Upgrade our tables to `revision`."""
    command.upgrade(config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Downgrade our tables to `revision`; "base" drops them."""
    command.downgrade(config(engine), revision)


def current(engine: Engine) -> str | None:
    """Return the current revision of our tables, None if there are none."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()
