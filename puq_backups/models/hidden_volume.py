"""Table of archives that staff have hidden."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class HiddenVolume(Base):
    """An archive with a service's VMID that is not one of our backups, hidden on the staff pages.

    Clients never see such archives, hidden or not.
    """

    __tablename__ = PREFIX + "hidden_volume"
    __table_args__ = (UniqueConstraint("server_id", "volid"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    server_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "server.id"))
    volid: Mapped[str] = mapped_column(String(255))
    hidden_at: Mapped[datetime] = mapped_column(UTCDateTime)
    hidden_by: Mapped[str] = mapped_column(String(190), default="")
