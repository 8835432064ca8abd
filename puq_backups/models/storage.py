"""Table of storages: state and usage as last read from Proxmox."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class Storage(Base):
    """State of a storage: one row for a shared storage (`node` is ""), one row per node for a local one.

    `nodes` are those that have a shared storage, comma-separated; "" where that was not seen.
    `trouble` is "server" or "storage" where its server or itself does not answer.
    `retention` is the storage's `prune-backups` (None: unknown, "": none). `available` and `total` are in bytes.
    `backup_count` and `backup_bytes` are the number and total size of the recorded backups that the last sync found
    there; None before the first sync.
    `active_at` is when it was last seen active, `unseen` whether that is longer ago than backups on it count as
    known. `given_up_at` is when staff declared it gone. `last_asked` is the last volume asked for by name.
    """

    __tablename__ = PREFIX + "storage"
    __table_args__ = (UniqueConstraint("server_id", "name", "node"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    server_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "server.id"))
    name: Mapped[str] = mapped_column(String(128))
    node: Mapped[str] = mapped_column(String(64), default="")
    type: Mapped[str] = mapped_column(String(32), default="")
    nodes: Mapped[str] = mapped_column(Text, default="")
    active: Mapped[bool] = mapped_column(default=True)
    available: Mapped[int | None] = mapped_column(BigInteger)
    total: Mapped[int | None] = mapped_column(BigInteger)
    backup_count: Mapped[int | None]
    backup_bytes: Mapped[int | None] = mapped_column(BigInteger)
    retention: Mapped[str | None] = mapped_column(String(190))
    trouble: Mapped[str] = mapped_column(String(16), default="")
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    active_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    unseen: Mapped[bool] = mapped_column(default=False)
    given_up_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    synced_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_asked: Mapped[str] = mapped_column(String(255), default="", server_default="")
