"""Our own alembic history, beside the host's: it has its own version table."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from ..models import VERSION_TABLE


def config(engine: Engine) -> Config:
    """Alembic's configuration for our history on this engine."""
    found = Config()
    found.set_main_option("script_location", str(files("puq_backups.migrations")).replace("%", "%%"))
    found.set_main_option("path_separator", "os")
    found.attributes["engine"] = engine
    return found


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring our tables to `revision`."""
    command.upgrade(config(engine), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take our tables back to `revision` ("base": none)."""
    command.downgrade(config(engine), revision)


def current(engine: Engine) -> str | None:
    """The revision our tables are at."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()
