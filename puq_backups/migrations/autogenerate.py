"""Keeps our tables out of the migrations that a host generates for its own tables."""

from __future__ import annotations

from collections.abc import Mapping

from ..models import PREFIX


def include_name(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:  # noqa: ARG001 - alembic's
    """Return False for our tables: for `Migrate(app, db, include_name=include_name)` of Flask-Migrate.

    Without it `flask db migrate` proposes to drop them, because it finds no models for them in the host's metadata.
    Also for `context.configure(include_name=include_name)` of alembic.
    """
    return not (kind == "table" and (name or "").startswith(PREFIX))
