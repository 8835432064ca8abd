"""What is known of each storage: its status when it was last seen, from which node."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import bindparam, exists, select, update
from sqlalchemy.orm import Session

from ..models import Backup, Server, Service, Storage, now
from ..models.upsert import insert_missing
from ..pve import archives

KNOWN = select(Storage).where(
    Storage.server_id == bindparam("server"), Storage.name == bindparam("storage"), Storage.node == bindparam("node")
)
LAST_ASKED = KNOWN.with_only_columns(Storage.last_asked)
FRESH = timedelta(minutes=9)
"""How long the free space of a storage counts as known: until the next sync, with the default interval of those."""


def find_storage(session: Session, server: Server, name: str, node: str) -> Storage | None:
    """The row of a storage as seen from `node`, or of the shared storage; None if it was never seen."""
    known = select(Storage).where(Storage.server_id == server.id, Storage.name == name, Storage.node.in_(("", node)))
    return session.scalars(known.order_by(Storage.seen_at.desc())).first()


def save_storage(session: Session, server: Server, name: str, node: str, seen: archives.StorageStatus) -> Storage:
    """Store the status of a storage as seen from `node`. The row of a shared storage has the node "".

    Operations of many nodes share that row: within FRESH it is not written again for its free space alone.
    """
    node = "" if seen.shared else node
    given = {"server": server.id, "storage": name, "node": node}
    storage = session.scalars(KNOWN, given).first()
    if storage is None:
        insert_missing(session, Storage, server_id=server.id, name=name, node=node, seen_at=now())
        storage = session.scalars(KNOWN.with_for_update(), given).one()
    same = (storage.type, storage.active) == (seen.type, seen.active) and not (seen.active and storage.unseen)
    if same and storage.total and now() - storage.seen_at < FRESH:
        return storage
    if seen.active:
        if storage.unseen:
            make_protection_due(session, storage)
        storage.active_at, storage.unseen = now(), False
    storage.type, storage.active, storage.available, storage.seen_at = seen.type, seen.active, seen.avail, now()
    # An offline storage reports a total of 0.
    storage.total = seen.total or storage.total
    return storage


def last_asked(session: Session, place: tuple[str, str, str]) -> str:
    """The last volume that a sync asked for by name, "" for none. `place`: server id, storage, node or ""."""
    server_id, name, node = place
    given = {"server": server_id, "storage": name, "node": node}
    return session.connection().execute(LAST_ASKED, given).scalar() or ""


def make_protection_due(session: Session, storage: Storage) -> None:
    """Have the tick compute anew how the services with backups on this storage are protected."""
    here = Backup.server_id == storage.server_id, Backup.storage == storage.name, Backup.node == storage.node
    concerned = exists().where(Backup.service_id == Service.id, Backup.removed_at.is_(None), *here)
    session.execute(
        update(Service)
        .where(concerned)
        .values(protection_changes_at=now())
        .execution_options(synchronize_session=False)
    )
