"""Table of what stands still: staff are told once when it begins and once when it is over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, UTCDateTime
from .json_column import Json


class Trouble(Base):
    """Something that stands still on Proxmox, from when it is first seen until it is over.

    - `kind`: `server`, `storage`, `lock` (left behind on a VM), `operation`, `slot` (scheduled backup refused),
      `removal` (rotation removes nothing), `problem` (another VM), `stuck` or `restore` (not settled).
    - `key`: the id of the server, storage, service or operation; of `operation` and `slot` a digest of the reason, of
      `removal` one of the storage.
    - `server_id`, `service_id`: whose it is; of several services the first that met it, of `slot` and `removal` the
      last.
    - `reason`: the stored Message for staff; `since`: first seen; `seen_at`: last seen.
    """

    __tablename__ = PREFIX + "trouble"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(ID, primary_key=True)
    server_id: Mapped[str | None] = mapped_column(ID, index=True)
    service_id: Mapped[str | None] = mapped_column(ID, index=True)
    reason: Mapped[dict[str, Any]] = mapped_column(Json)
    since: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
