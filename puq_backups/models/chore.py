"""Work that comes round, and heartbeats: each with its own due time and lease."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from .base import PREFIX, Base, UTCDateTime


class Chore(Base):
    """`name` such as `clock`, `tick`, `sync <server>`; `owner` holds it until `lease_until` (database's clock).

    `trouble` is the message of what came in the way of the last run, None where it went well.
    """

    __tablename__ = PREFIX + "chore"

    name: Mapped[str] = mapped_column(String(190), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_run_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_error: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    lease_owner: Mapped[str | None] = mapped_column(String(190))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
