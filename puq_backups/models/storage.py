"""What was last seen of a storage on a server."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class Storage(Base):
    """One row a storage, and for storages that are not shared one row a node (`node` is "" where shared).

    `retention` is its own `prune-backups` (None: not known, empty: none). `available` and `total` in bytes.
    `our_backups` are those of ours that the last sync found there, `our_bytes` their sizes (None: not counted yet).
    """

    __tablename__ = PREFIX + "storage"
    __table_args__ = (UniqueConstraint("server_id", "name", "node"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    server_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "server.id"))
    name: Mapped[str] = mapped_column(String(128))
    node: Mapped[str] = mapped_column(String(64), default="")
    type: Mapped[str] = mapped_column(String(32), default="")
    active: Mapped[bool] = mapped_column(default=True)
    available: Mapped[int | None] = mapped_column(BigInteger)
    total: Mapped[int | None] = mapped_column(BigInteger)
    our_backups: Mapped[int | None]
    our_bytes: Mapped[int | None] = mapped_column(BigInteger)
    retention: Mapped[str | None] = mapped_column(String(190))
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
