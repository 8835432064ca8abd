"""The application's own tables, under its own migrations."""

from __future__ import annotations

from flask_login import UserMixin
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from .extensions import db, login


class User(UserMixin, db.Model):  # type: ignore[name-defined, misc]  # made at run time
    """Who may sign in."""

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    is_staff: Mapped[bool] = mapped_column(default=False)


@login.user_loader
def load_user(user_id: str) -> User | None:
    """Return a user by the id that the session holds."""
    return db.session.get(User, user_id)
