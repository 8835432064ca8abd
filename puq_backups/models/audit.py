"""Table of the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class AuditEntry(Base):
    """An entry of the audit log: who had what done, when. Written before each call that changes something.

    `action` is a word such as `vzdump` or `remove`, `text` the details in English.
    """

    __tablename__ = PREFIX + "audit"
    __table_args__ = (
        Index("ix_puq_backups_audit_service", "service_id", "at"),
        Index("ix_puq_backups_audit_actor", "actor", "at"),
        Index("ix_puq_backups_audit_action", "action", "at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    service_id: Mapped[str | None] = mapped_column(ID)
    operation_id: Mapped[str | None] = mapped_column(ID)
    actor: Mapped[str] = mapped_column(String(190))
    action: Mapped[str] = mapped_column(String(40))
    text: Mapped[str] = mapped_column(Text)
