"""Table of periodic work and heartbeats, each with its due time and lease."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from .base import PREFIX, Base, UTCDateTime
from .json_column import Json


class Chore(Base):
    """Periodic work such as `clock`, `tick` or `sync <server id>`, or a heartbeat such as `worker`.

    `lease_owner` holds it until `lease_until` (database's clock). `last_error` is the stored Message of the last
    run's error, None if it succeeded.
    """

    __tablename__ = PREFIX + "chore"

    name: Mapped[str] = mapped_column(String(190), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_run_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    lease_owner: Mapped[str | None] = mapped_column(String(190))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
