"""Table of rows that could not be handled and were set aside, so that the others go on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, exists
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, at_present
from .json_column import Json


class SetAside(Base):
    """A row that is left out of a kind of work until `again_at`.

    - `work`: what could not be done with it (`slot`, `start`, `purge`, …); `key`: the row's id.
    - `service_id`: the service it belongs to, None for a row of no service.
    - `reason`: the stored Message for staff; `since`: when it failed first.
    """

    __tablename__ = PREFIX + "set_aside"

    work: Mapped[str] = mapped_column(String(24), primary_key=True)
    key: Mapped[str] = mapped_column(ID, primary_key=True)
    service_id: Mapped[str | None] = mapped_column(ID, index=True)
    reason: Mapped[dict[str, Any]] = mapped_column(Json)
    since: Mapped[datetime] = mapped_column(UTCDateTime)
    again_at: Mapped[datetime] = mapped_column(UTCDateTime)


def not_set_aside(work: str, key: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The condition that the row with the id `key` is not set aside for this work."""
    return ~exists().where(SetAside.work == work, SetAside.key == key, SetAside.again_at > at_present())
