"""Table of servers: Proxmox clusters, each reached with one API token."""

from __future__ import annotations

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import ID, PREFIX, Base, new_id


class Server(Base):
    """A Proxmox cluster, identified by hosts, port and token id. `hosts` are comma-separated nodes of one cluster.

    `sealed_secret` is the token's secret, encrypted with `PUQ_BACKUPS_KEYS`.
    """

    __tablename__ = PREFIX + "server"
    __table_args__ = (UniqueConstraint("hosts", "port", "token_id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    hosts: Mapped[str] = mapped_column(String(255))
    port: Mapped[int] = mapped_column(default=8006)
    token_id: Mapped[str] = mapped_column(String(190))
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[str] = mapped_column(String(2000), default="")
