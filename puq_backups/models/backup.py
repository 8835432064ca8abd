"""Table of backups: archives on Proxmox storages that belong to a service."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime, new_id
from .json_column import Json
from .service import Service


class Backup(Base):
    """A backup of a service. `volid` is its volume id on Proxmox.

    - `size`: bytes; None until the volume was seen. `disks`: number of disks in the archive.
    - `node`: set only if the storage is local to that node.
    - `kind`: scheduled, manual, safety, adopted (by staff) or imported. `kept` mirrors Proxmox's `protected`.
    - `slot_date`, `local_date`: ISO dates in the service's zone, of the slot and of the request.
    - `verification`: result on PBS, "" if not verified.
    - `gone_since`: first sync that did not find the volume; `missing_at`: the sync that made the backup missing.
    - `removed_at`: when we removed it. `expires_at`: when a safety copy is removed (it uses no quota).
    - `client_id`, `machine`: those of the service when the backup was made; it may get another owner or VM.
    - `released_at`: from when an adopted or imported backup counts toward the quota.
    - `binned_until`: set while the backup is in the bin: when it is removed from it.
    - `damaged_at`: when a restore found the archive damaged.
    - `warnings`: stored Messages about what is in it, such as file systems that were not frozen.
    - `gone_at`: when the volume was seen to be gone after our removal.
    """

    __tablename__ = PREFIX + "backup"
    __table_args__ = (
        UniqueConstraint("server_id", "volid"),
        Index("ix_puq_backups_backup_of_service", "service_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    service_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "service.id"))
    server_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "server.id"))
    operation_id: Mapped[str | None] = mapped_column(ID)
    client_id: Mapped[str] = mapped_column(ID, default="")
    machine: Mapped[str] = mapped_column(String(190), default="")
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
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    gone_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    released_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    binned_until: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    damaged_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    warnings: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)

    @classmethod
    def of(cls, service: Service, **columns: Any) -> Backup:
        """A backup of the service's present owner and VM; not in a session yet."""
        return cls(**cls.owner(service), **columns)

    @staticmethod
    def owner(service: Service) -> dict[str, Any]:
        """The columns that say whose a backup made now is."""
        return {
            "service_id": service.id, "server_id": service.server_id, "client_id": service.client_id,
            "machine": service.machine, "vmid": service.vmid,
        }  # fmt: skip
