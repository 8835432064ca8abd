"""The history of our tables (alembic)."""
