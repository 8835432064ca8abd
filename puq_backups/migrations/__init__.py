"""Alembic history of our tables."""
