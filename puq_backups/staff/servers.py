"""Server status for staff: number of services, last sync, errors and storages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..models import Chore, Server, Service, Storage, is_valid_id
from ..pve import archives
from ..pve.version import version

NEARLY_FULL = 90
"""Percentage in use from which a storage gets a warning."""


@dataclass(frozen=True)
class StorageStatus:
    """A storage as of the last sync. `used` is a percentage (0 to 100), None if unknown."""

    storage: Storage
    used: int | None
    warning: Message | None


@dataclass(frozen=True)
class ServerStatus:
    """A server with its number of services, last sync, storages, and the last error of sync or VM status."""

    server: Server
    services: int
    synced_at: datetime | None
    trouble: Message | None
    storages: list[StorageStatus]

    @property
    def name(self) -> str:
        """First host name, with the port unless it is 8006."""
        port = "" if self.server.port == 8006 else f":{self.server.port}"  # noqa: PLR2004 - Proxmox's default
        return self.server.hosts.split(",")[0] + port

    @property
    def is_well(self) -> bool:
        return self.trouble is None and not any(store.warning for store in self.storages)


def statuses(session: Session, only: str = "") -> list[ServerStatus]:
    """Return the status of all servers, or of the one with the id `only`. Four queries."""
    rows = select(Server).order_by(Server.hosts, Server.port, Server.token_id)
    found = session.scalars(rows.where(Server.id == only) if only else rows).all()
    carried = select(Service.server_id, func.count(Service.active_vmid)).group_by(Service.server_id)
    if only:
        carried = carried.where(Service.server_id == only)
    numbers = {server_id: number for server_id, number in session.execute(carried)}  # noqa: C416 - rows are no tuples to mypy
    names = [f"{work} {server.id}" for server in found for work in ("sync", "vms")]
    chores = {chore.name: chore for chore in session.scalars(select(Chore).where(Chore.name.in_(names)))}
    storages = _storages(session, [server.id for server in found])
    return [_status(server, numbers.get(server.id, 0), chores, storages.get(server.id, [])) for server in found]


def _status(
    server: Server, services: int, chores: Mapping[str, Chore], storages: list[StorageStatus]
) -> ServerStatus:
    done = [chores[name] for name in (f"sync {server.id}", f"vms {server.id}") if name in chores]
    troubles = [Message.from_json(chore.last_error) for chore in done]
    synced = [store.storage.synced_at for store in storages if store.storage.synced_at]
    return ServerStatus(server, services, max(synced, default=None), next(filter(None, troubles), None), storages)


def _storages(session: Session, server_ids: list[str]) -> dict[str, list[StorageStatus]]:
    found: dict[str, list[StorageStatus]] = {}
    rows = select(Storage).where(Storage.server_id.in_(server_ids)).order_by(Storage.name, Storage.node)
    for storage in session.scalars(rows):
        found.setdefault(storage.server_id, []).append(StorageStatus(storage, _used(storage), _warning(storage)))
    return found


def _used(storage: Storage) -> int | None:
    if not storage.total or storage.available is None:
        return None
    return min(max(round(100 * (1 - storage.available / storage.total)), 0), 100)


def _warning(storage: Storage) -> Message | None:
    if not storage.active:
        return Message("The storage is offline.")
    if storage.retention and not archives.keeps_all(storage.retention):
        return Message(
            "The storage has a retention of its own ({limits}): it refuses backups once its count is reached, or "
            "removes them behind our back. Set keep-all=1.",
            {"limits": storage.retention},
        )
    used = _used(storage)
    return Message("The storage is nearly full.") if used is not None and used >= NEARLY_FULL else None


def find(session: Session, server_id: str) -> Server | None:
    """Return a server by its id, or None."""
    return session.get(Server, server_id) if is_valid_id(server_id) else None


def test(context: Context, server: Server) -> str:
    """Return the version of Proxmox that answers now. Raises ProxmoxError."""
    return version(context.connect(server))
