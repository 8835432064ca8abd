"""Servers as staff sees them: what they carry, when they were last seen, what is wrong with them."""

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
"""Per cent in use."""


@dataclass(frozen=True)
class Store:
    """A storage as last seen. `used` is the share in use, 0 to 100, None where it is not known."""

    storage: Storage
    used: int | None
    warning: Message | None


@dataclass(frozen=True)
class Standing:
    """A server: the services it carries, its last sync, and what came in the way of that or of a look at its VMs."""

    server: Server
    services: int
    synced_at: datetime | None
    trouble: Message | None
    stores: list[Store]

    @property
    def name(self) -> str:
        """The first host and, where it is not the usual one, the port."""
        port = "" if self.server.port == 8006 else f":{self.server.port}"  # noqa: PLR2004 - Proxmox's own
        return self.server.hosts.split(",")[0] + port

    @property
    def is_well(self) -> bool:
        return self.trouble is None and not any(store.warning for store in self.stores)


def standings(session: Session, only: str = "") -> list[Standing]:
    """Every server, or one by its id, in four queries."""
    rows = select(Server).order_by(Server.hosts, Server.port, Server.token_id)
    found = session.scalars(rows.where(Server.id == only) if only else rows).all()
    carried = select(Service.server_id, func.count(Service.active_vmid)).group_by(Service.server_id)
    if only:
        carried = carried.where(Service.server_id == only)
    numbers = {server_id: number for server_id, number in session.execute(carried)}  # noqa: C416 - rows are no tuples to mypy
    names = [f"{work} {server.id}" for server in found for work in ("sync", "vms")]
    chores = {chore.name: chore for chore in session.scalars(select(Chore).where(Chore.name.in_(names)))}
    stores = _stores(session, [server.id for server in found])
    return [_standing(server, numbers.get(server.id, 0), chores, stores.get(server.id, [])) for server in found]


def _standing(server: Server, services: int, chores: Mapping[str, Chore], stores: list[Store]) -> Standing:
    done = [chores[name] for name in (f"sync {server.id}", f"vms {server.id}") if name in chores]
    troubles = [Message.from_json(chore.last_error) for chore in done]
    synced = [store.storage.synced_at for store in stores if store.storage.synced_at]
    return Standing(server, services, max(synced, default=None), next(filter(None, troubles), None), stores)


def _stores(session: Session, server_ids: list[str]) -> dict[str, list[Store]]:
    found: dict[str, list[Store]] = {}
    rows = select(Storage).where(Storage.server_id.in_(server_ids)).order_by(Storage.name, Storage.node)
    for storage in session.scalars(rows):
        found.setdefault(storage.server_id, []).append(Store(storage, _used(storage), _warning(storage)))
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
    """A server by its id."""
    return session.get(Server, server_id) if is_valid_id(server_id) else None


def test(context: Context, server: Server) -> str:
    """The version of Proxmox that answers, asked now; what it raises says why none does."""
    return version(context.connect(server))
