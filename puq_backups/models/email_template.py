"""A mail's text as staff have changed it; the shipped files stand for whatever is not here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class EmailTemplate(Base):
    """`name` is the mail's, `locale` "" for the master or a language; a language's row goes before the master's.

    An empty text means the shipped one. `disabled` counts on the master's row only: the mail is not written.
    """

    __tablename__ = PREFIX + "email_template"
    __table_args__ = (UniqueConstraint("name", "locale"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    locale: Mapped[str] = mapped_column(String(16), default="")
    subject: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")
    disabled: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    changed_by: Mapped[str] = mapped_column(String(190), default="")
