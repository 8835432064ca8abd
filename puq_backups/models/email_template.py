"""Table of mail templates changed by staff."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class EmailTemplate(Base):
    """Staff's version of a mail template. An empty part means the shipped one.

    `name` is the mail's name; `locale` is a language tag, or "" for the master, which is used for every language
    without a version of its own. `disabled` is read from the master's row only: the mail is not written at all.
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
