"""Table of operations: something a client, the schedule or staff asked us to do to a VM."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from ..errors import Message
from .base import ID, PREFIX, Base, UTCDateTime, new_id, now
from .json_column import Json
from .service import Service

ACTIVE_STATES = ("waiting", "running", "stuck")
ENDED_STATES = ("done", "failed", "cancelled", "missed", "refused", "skipped")


class Operation(Base):
    """A backup, restore, remove or reinstall of a service. Only operations/engine.py writes `state`.

    - `slot_date` (ISO date) makes it a scheduled backup's slot: one per service and local date.
    - `lock`: the service's id from start to end, else None; unique, so that one operation runs per service.
    - `server_id`, `node`: in whose queue it waits, and where it runs; kept up to date when the VM moves.
    - `intent`: the call being sent to Proxmox, committed before it is sent; `upid`: the task that it started.
    - `data`: values that steps store for later steps; only the holder of the lease writes it.
    - `cancel_requested`: may be set by anybody at any time.
    - `wake_at`: the earliest next step or attempt; `enqueued_at`: when a job for it was last put into the queue.
    """

    __tablename__ = PREFIX + "operation"
    __table_args__ = (
        UniqueConstraint("service_id", "slot_date"),
        UniqueConstraint("lock"),
        Index("ix_puq_backups_operation_due", "state", "wake_at"),
        Index("ix_puq_backups_operation_ended", "state", "finished_at"),
        Index("ix_puq_backups_operation_queue", "state", "server_id", "node"),
        Index("ix_puq_backups_operation_served", "server_id", "node", "started_at"),
        Index("ix_puq_backups_operation_service", "service_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    service_id: Mapped[str] = mapped_column(ForeignKey(PREFIX + "service.id"))
    client_id: Mapped[str] = mapped_column(ID)
    kind: Mapped[str] = mapped_column(String(16))
    origin: Mapped[str] = mapped_column(String(16))
    slot_date: Mapped[str | None] = mapped_column(String(10))
    backup_id: Mapped[str | None] = mapped_column(ID)
    note: Mapped[str] = mapped_column(String(255), default="")
    token: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(String(190), default="system")

    state: Mapped[str] = mapped_column(String(16), default="waiting")
    step: Mapped[str] = mapped_column(String(40), default="")
    progress: Mapped[int | None]
    reason: Mapped[dict[str, Any] | None] = mapped_column(Json)
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    attempts: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False, server_default=false())

    lock: Mapped[str | None] = mapped_column(ID)
    server_id: Mapped[str] = mapped_column(ID, default="")
    node: Mapped[str] = mapped_column(String(64), default="")
    storage: Mapped[str] = mapped_column(String(128), default="")
    intent: Mapped[dict[str, Any] | None] = mapped_column(Json)
    upid: Mapped[str | None] = mapped_column(String(255))

    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    wake_at: Mapped[datetime] = mapped_column(UTCDateTime)
    enqueued_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    deadline_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    lease_owner: Mapped[str | None] = mapped_column(String(190))

    @classmethod
    def new(cls, service: Service, kind: str, *, origin: str, actor: str, **more: Any) -> Operation:
        """Return a waiting operation that is due now, not yet added to a session. `more` sets further columns."""
        at = now()
        facts = {"created_at": at, "due_at": at, "wake_at": at, "data": {}, **more}
        return cls(
            id=new_id(), service_id=service.id, client_id=service.client_id, server_id=service.server_id,
            node=service.node, kind=kind, origin=origin, token=new_id()[:16], actor=actor[:190],
            state="waiting", warnings=[], attempts=0, **facts,
        )  # fmt: skip

    @property
    def why(self) -> Message | None:
        """The reason why it waits or how it ended, None if there is none."""
        return Message.from_json(self.reason)

    @property
    def last_task(self) -> str:
        """The UPID of its running task, else of its latest one; "" if it has had none."""
        earlier = self.data.get("upids") or [""]
        return self.upid or str(earlier[-1])

    def store(self, **values: Any) -> None:
        """Store values in `data` for later steps, as a new dict: SQLAlchemy does not see changes inside one."""
        self.data = {**self.data, **values}

    def add_warning(self, message: Message) -> None:
        """Add a warning, unless it is there already."""
        if message.to_json() not in self.warnings:
            self.warnings = [*self.warnings, message.to_json()]
