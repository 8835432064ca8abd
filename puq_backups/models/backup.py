"""An archive on a Proxmox storage that belongs to a service."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id


class Backup(Base):
    """`size` in bytes, None until seen. `node` is set only where the storage is that node's own.

    `gone_since` is the first sync that found the volume gone, `missing_at` the one that made it missing,
    `removed_at` our own removal. `kept` mirrors Proxmox's `protected`. `expires_at` is set for a safety copy: it is
    the system's own, uses no quota, and is removed at that moment.
    """

    __tablename__ = PREFIX + "backup"
    __table_args__ = (
        UniqueConstraint("server_id", "volid"),
        # All that says whether a backup is good: to see which services have none no row need be fetched.
        Index(
            "ix_puq_backups_backup_good",
            "service_id",
            "created_at",
            "size",
            "disks",
            "missing_at",
            "removed_at",
            "verification",
        ),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    service_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "service.id"))
    server_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "server.id"))
    operation_id: Mapped[str | None] = mapped_column(ID)
    volid: Mapped[str] = mapped_column(String(255))
    storage: Mapped[str] = mapped_column(String(128))
    node: Mapped[str] = mapped_column(String(64), default="")
    vmid: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(String(255), default="")
    slot_date: Mapped[str | None] = mapped_column(String(10))
    local_date: Mapped[str] = mapped_column(String(10))
    size: Mapped[int | None] = mapped_column(BigInteger)
    disks: Mapped[int] = mapped_column(default=0)
    verification: Mapped[str] = mapped_column(String(16), default="")
    kept: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    gone_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    missing_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
