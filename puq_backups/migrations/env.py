"""Alembic environment: the host's engine, our own version table."""

from alembic import context

from puq_backups.models import VERSION_TABLE, Base

engine = context.config.attributes["engine"]


def include_name(name: str | None, kind: str, parents: object) -> bool:  # noqa: ARG001 - alembic's form
    """Return whether autogenerate compares this object: our own tables only."""
    return kind != "table" or (name or "") in Base.metadata.tables


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        include_name=include_name,
        compare_type=False,
    )
    with context.begin_transaction():
        context.run_migrations()
