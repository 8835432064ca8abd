"""Storages that staff declare gone: their backups become missing and free their places; taken back, they count."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Refused
from ..host import Actor
from ..models import Backup, Storage, changes, is_valid_id, now
from ..models.audit_log import audit


def find(session: Session, server_id: str, storage_id: str) -> Storage | None:
    """The storage of this server with this id, or None."""
    storage = session.get(Storage, storage_id) if is_valid_id(storage_id) else None
    return storage if storage and storage.server_id == server_id else None


def declare_gone(context: Context, storage_id: str, actor: Actor) -> None:
    """Make all backups on a storage missing. Refused while the storage is seen, or where it was declared already."""
    with context.database.begin() as session:
        storage = session.get_one(Storage, storage_id)
        if storage.given_up_at:
            raise Refused("The storage is declared gone already.")
        if storage.active and not storage.unseen:
            raise Refused("The storage is online. Only one that is gone can be declared gone.")
        storage.given_up_at = now()
        _lock_services(session, storage)
        for backup in session.scalars(select(Backup).where(*_here(storage), Backup.missing_at.is_(None))).all():
            backup.missing_at = storage.given_up_at
        audit(session, None, None, "storage", f"{storage.name} {storage.node} is gone", actor=actor.label)


def take_back(context: Context, storage_id: str, actor: Actor) -> None:
    """Have the backups count again that became missing with the storage. Refused where it was not declared gone.

    The next syncs find out which of them are really there.
    """
    with context.database.begin() as session:
        storage = session.get_one(Storage, storage_id)
        if storage.given_up_at is None:
            raise Refused("The storage was not declared gone.")
        _lock_services(session, storage)
        lost_with_it = select(Backup).where(*_here(storage), Backup.missing_at == storage.given_up_at)
        for backup in session.scalars(lost_with_it).all():
            backup.missing_at = backup.gone_since = None
        storage.given_up_at = None
        audit(session, None, None, "storage", f"{storage.name} {storage.node} is back", actor=actor.label)


def _here(storage: Storage) -> tuple[ColumnElement[bool], ...]:
    place = Backup.server_id == storage.server_id, Backup.storage == storage.name, Backup.node == storage.node
    return *place, Backup.removed_at.is_(None)


def _lock_services(session: Session, storage: Storage) -> None:
    """Lock the rows of the services concerned, in their order, before any of their backups is written."""
    ours = select(Backup.service_id).where(*_here(storage)).distinct().order_by(Backup.service_id)
    for service_id in session.scalars(ours).all():
        changes.lock(session, [service_id])
