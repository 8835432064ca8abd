"""Table of the outbox: a mail is stored before it is sent, so that none is lost or sent twice for one event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id
from .json_column import Json


class Mail(Base):
    """A mail to one recipient. `event` identifies what it reports (mail name and operation) and is unique.

    - `name`: the mail's name; `folder`: its template directory; `fields`: stored merge fields.
    - `state`: waiting, sending (given to the mail server, no answer yet), sent, failed, aborted (by a hook) or
      dropped (given up by staff).
    - `wake_at`: next attempt of a waiting mail; for one being sent, when its worker counts as dead.
    - `error`: last error; on a sent mail, why the shipped template was used. `subject`, `message`: what was sent.
    """

    __tablename__ = PREFIX + "mail"
    __table_args__ = (
        Index("ix_puq_backups_mail_due", "state", "wake_at"),
        Index("ix_puq_backups_mail_of_state", "state", "created_at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    event: Mapped[str] = mapped_column(String(190), unique=True)
    service_id: Mapped[str | None] = mapped_column(ID)
    name: Mapped[str] = mapped_column(String(120))
    folder: Mapped[str] = mapped_column(String(64))
    recipient: Mapped[str] = mapped_column(String(255))
    locale: Mapped[str] = mapped_column(String(16), default="en")
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    fields: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    subject: Mapped[str | None] = mapped_column(String(255))
    message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    wake_at: Mapped[datetime] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
