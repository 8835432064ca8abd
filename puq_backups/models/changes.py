"""Changes of rows that decide how a service is protected, noticed whoever makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import bindparam, inspect, update
from sqlalchemy.orm import InstanceState, Session, UOWTransaction

from .backup import Backup
from .base import Base
from .operation import Operation
from .service import Service

WATCHED: dict[type[Base], tuple[str, ...]] = {
    Backup: (
        "size", "disks", "verification", "damaged_at", "kept", "missing_at", "removed_at", "binned_until",
        "released_at", "client_id", "machine", "server_id", "node", "kind", "created_at",
    ),
    Operation: ("state",),
    Service: (
        "schedule", "next_run_at", "quota", "status", "package", "restore_failed", "problem", "client_id", "machine",
        "server_id", "node",
    ),
}  # fmt: skip
"""Columns by model: a change of one of them may change the protection of the row's service. Of operations those that
are a scheduled slot."""

LOCK = (
    update(Service).where(Service.id.in_(bindparam("services", expanding=True))).values(version=Service.version + 1)
)
CHANGED, LOCKED = "services_changed", "services_locked"
OnChange = Callable[[Session, set[str]], object]


def note(session: Session, _: UOWTransaction, __: Any) -> None:
    """Before a flush: keep the ids of the services concerned, and lock their rows before any other row of theirs."""
    lock_services(session)


def lock(session: Session, service_ids: Iterable[str]) -> None:
    """Lock the rows of services until the transaction ends.

    Whoever writes a service or rows that belong to it does this first, so that two transactions never wait for each
    other, and whoever comes second sees what the first one did. An UPDATE, because SQLite has no `FOR UPDATE`.
    """
    locked: set[str] = session.info.setdefault(LOCKED, set())
    if wanted := set(service_ids) - locked:
        session.connection().execute(LOCK, {"services": sorted(wanted)})
    locked |= wanted


def note_locked(session: Session, service_ids: Iterable[str]) -> None:
    """Note that the caller has locked the rows of services by an UPDATE of its own."""
    session.info.setdefault(LOCKED, set()).update(service_ids)


def lock_services(session: Session) -> None:
    """Keep the ids of the services whose protection the session's changes may change, and lock their rows."""
    _keep(session, {
        service_id for row in (*session.new, *session.dirty, *session.deleted) if (service_id := _concerned(row))
    })  # fmt: skip


def concern(session: Session, service_id: str) -> None:
    """Note that a column of WATCHED is changed by an UPDATE of its own, which no flush shows."""
    _keep(session, {service_id})


def _keep(session: Session, found: set[str]) -> None:
    lock(session, found)
    session.info.setdefault(CHANGED, set()).update(found)


def _concerned(row: object) -> str | None:
    if not isinstance(row, Backup | Operation | Service):
        return None
    if isinstance(row, Operation) and row.slot_date is None:
        return None
    state: InstanceState[Any] = inspect(row)
    changed = not state.persistent or any(state.attrs[name].history.has_changes() for name in WATCHED[type(row)])
    return (row.id if isinstance(row, Service) else row.service_id) if changed else None


def tell(session: Session, on_change: OnChange) -> None:
    """Before a commit: hand the ids of the services concerned to `on_change`, whose changes are committed with it."""
    session.flush()
    found = session.info.pop(CHANGED, None)
    if found:
        on_change(session, found)


def forget(session: Session) -> None:
    """After a transaction: what was not committed concerns nobody, and no row is locked."""
    session.info.pop(CHANGED, None)
    session.info.pop(LOCKED, None)
