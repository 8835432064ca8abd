"""Search for services by id, client, VM or domain, or by a problem."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from ..i18n.translator import N_
from ..inventory import protection
from ..inventory.displayable import displayable
from ..models import ACTIVE_STATES, Backup, Operation, Server, Service, now
from . import paging

ORDER = paging.Order(Service.created_at)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
HOURS, MOST_HOURS = 48, 24 * 365
LONGEST = 255
TROUBLES = {
    "restore_failed": N_("The last restore failed"),
    "stuck": N_("An operation is stuck"),
    "other_vm": N_("The virtual machine is not the registered one"),
    "unprotected": N_("Not protected by backups"),
    "no_good_backup": N_("No good backup lately"),
}
"""Problems that services can be filtered by, with labels."""


@dataclass(frozen=True)
class Hit:
    """A service in a list. `used` counts existing backups; `live` is the running or else oldest waiting operation."""

    service: Service
    server: Server
    used: int
    last_good: datetime | None
    live: Operation | None


def hours(text: str) -> int:
    """Parse a number of hours from a form: 1 to MOST_HOURS, HOURS if it is not a number."""
    return min(max(int(text), 1), MOST_HOURS) if text.isdecimal() and len(text) < 6 else HOURS  # noqa: PLR2004 - a year has four digits


def services(
    session: Session, at: paging.Cursor = paging.START, *, text: str = "", trouble: str = "", lately: int = HOURS,
    server_id: str = "",
) -> paging.Page[Hit]:  # fmt: skip
    """Return a page of services, last registered first. `lately` is in hours, for the problem `no_good_backup`.

    `text` matches a service id, client id or VMID exactly, or part of the VM name or domain, ignoring case.
    """
    rows = _troubled(trouble, now() - timedelta(hours=lately))
    # PostgreSQL refuses NUL in a parameter.
    text = "".join(filter(str.isprintable, text)).strip()[:LONGEST]
    if text:
        rows = rows.where(_matches(text))
    if server_id:
        rows = rows.where(Service.server_id == server_id)
    found = paging.page(session, rows, ORDER, at)
    return paging.Page(hits(session, found.rows), found.before, found.after)


def _troubled(trouble: str, since: datetime) -> Select[Any]:
    rows = select(Service)
    stuck = select(Operation.service_id).where(Operation.state == "stuck")
    found = {
        # Some databases do not use the index for "IS NOT NULL".
        "restore_failed": rows.where(Service.restore_failed > ""),
        "stuck": rows.where(Service.id.in_(stuck)),
        "other_vm": rows.where(Service.problem_since > LONG_AGO),
        "unprotected": protection.unprotected(),
        "no_good_backup": protection.without_good_backup_since(since),
    }
    return found.get(trouble, rows)


def _matches(text: str) -> ColumnElement[bool]:
    ways: list[ColumnElement[bool]] = [
        Service.id == text, Service.client_id == text, Service.vm_name.icontains(text, autoescape=True),
        Service.domain.icontains(text, autoescape=True),
    ]  # fmt: skip
    # Up to nine digits: a VMID, and within the INTEGER of every database.
    if text.isascii() and text.isdecimal() and len(text) <= 9:  # noqa: PLR2004 - VMIDs have at most nine digits
        ways.append(Service.vmid == int(text))
    return or_(*ways)


def hits(session: Session, found: Any) -> list[Hit]:
    """Return list rows for services. Three queries."""
    ids, theirs = [service.id for service in found], {service.server_id for service in found}
    servers = {server.id: server for server in session.scalars(select(Server).where(Server.id.in_(theirs)))}
    used = _used(session, ids)
    live: dict[str, Operation] = {}
    running = select(Operation).where(Operation.service_id.in_(ids), Operation.state.in_(ACTIVE_STATES))
    for operation in session.scalars(running.order_by(Operation.lock.is_(None), Operation.created_at)):
        live.setdefault(operation.service_id, operation)
    return [
        Hit(
            displayable(service),
            servers[service.server_id],
            used[service.id],
            service.last_good_at,
            live.get(service.id),
        )
        for service in found
    ]


def _used(session: Session, ids: list[str]) -> Counter[str]:
    there = (Backup.service_id.in_(ids), Backup.removed_at.is_(None), Backup.missing_at.is_(None))
    rows = select(Backup.service_id, func.count()).where(*there, Backup.kind != "safety").group_by(Backup.service_id)
    return Counter({service_id: number for service_id, number in session.execute(rows)})  # noqa: C416 - rows are no tuples to mypy


def count(session: Session, trouble: str) -> int:
    """Count the services with a problem of TROUBLES, up to `paging.COUNT_LIMIT` + 1."""
    return paging.count(session, _troubled(trouble, now()).with_only_columns(Service.id))
