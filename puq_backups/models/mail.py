"""The outbox: a mail is a row first, so that none is lost and none is sent twice for one event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class Mail(Base):
    """`event` names what it tells of (mail name and operation) and is unique.

    `state` is waiting, sending (handed to the mail server, no answer seen), sent, failed, aborted (by a hook) or
    dropped (given up by staff). `wake_at` is when a waiting one goes out, and until when one may be on its way.
    `error` is what went wrong last; on a sent one, why it went out in the shipped text. `subject` and `message`
    are what was sent.
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
    fields: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(Text, default="")
    subject: Mapped[str | None] = mapped_column(String(255))
    message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    wake_at: Mapped[datetime] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
