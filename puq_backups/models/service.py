"""Table of services: one VM of one client, with package and schedule."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, validates

from .base import ID, PREFIX, Base, UTCDateTime, now
from .json_column import Json

PROTECTION = ("protected", "at_risk", "unprotected", "unknown", "unscheduled", "starting", "paused")


class Service(Base):
    """A service of the host. `id` is the host's id.

    - `active_vmid`: equal to `vmid` until termination, then None: (server, VMID) is unique among active services.
    - `vm_identity`: SMBIOS uuid or MAC address of the registered VM; `token`: marks its backups on Proxmox.
    - `next_run_at`: time of the next slot; `slots_from`: slots before this time do not count.
    - `problem`: why operations are refused until staff act (a stored Message); `problem_since`: since when.
    - `restore_failed`: id of the failed operation. `vm_lease_*`: lease of an action of the host on the VM.
    - `version`: changed by each transaction that counts the quota, to lock the row.
    - `machine`: the VM as it was registered; changes only if the host registers another VM.
    - `protection`: one of PROTECTION, since `protection_since`; `protection_reason`: a stored Message;
      `protection_changes_at`: when it is computed again. `last_good_at`: when the newest restorable backup was made.
    - `unprotected_told_at`: set while staff know by mail that the service is unprotected.
    """

    __tablename__ = PREFIX + "service"
    __table_args__ = (
        UniqueConstraint("server_id", "active_vmid"),
        Index("ix_puq_backups_service_protection", "protection", "id"),
        # A covering index for metrics, which count all services.
        Index("ix_puq_backups_service_counted", "status", "protection", "last_good_at"),
        Index("ix_puq_backups_service_terminated", "status", "terminated_at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(ID, index=True)
    server_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "server.id"))
    vmid: Mapped[int]
    active_vmid: Mapped[int | None]
    node: Mapped[str] = mapped_column(String(64), default="")
    vm_identity: Mapped[str] = mapped_column(String(120), default="")
    machine: Mapped[str] = mapped_column(String(190), default="")
    token: Mapped[str] = mapped_column(String(32), unique=True)
    status: Mapped[str] = mapped_column(String(16), default="active")
    terminated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)

    domain: Mapped[str] = mapped_column(String(255), default="")
    client: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    package: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    quota: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=0)

    schedule: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    slots_from: Mapped[datetime | None] = mapped_column(UTCDateTime)
    next_run_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    next_run_date: Mapped[str | None] = mapped_column(String(10))

    protection: Mapped[str] = mapped_column(String(16), default="starting")
    protection_reason: Mapped[dict[str, Any] | None] = mapped_column(Json)
    protection_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    protection_changes_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    last_good_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    unprotected_told_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    vm_name: Mapped[str] = mapped_column(String(255), default="")
    vm_status: Mapped[str] = mapped_column(String(16), default="unknown")
    vm_lock: Mapped[str] = mapped_column(String(32), default="")
    vm_seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    vm_lock_told_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    problem: Mapped[dict[str, Any] | None] = mapped_column(Json)
    problem_since: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    restore_failed: Mapped[str | None] = mapped_column(ID, index=True)
    vm_lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    vm_lease_owner: Mapped[str | None] = mapped_column(String(190))

    @validates("problem")
    def _set_problem_since(self, _: str, problem: dict[str, Any] | None) -> dict[str, Any] | None:
        self.problem_since = (self.problem_since or now()) if problem else None
        return problem
