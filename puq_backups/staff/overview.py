"""Data of the staff overview: background processes, operations by state, unprotected services, servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..clock import heartbeats
from ..context import Context
from ..inventory import protection
from ..models import Service, now
from . import operation_lists, paging, search, servers

SHOWN = 5
STATES = ("stuck", "running", "waiting", "failed", "missed", "refused")
"""States shown on the overview; those that need staff come first."""


@dataclass(frozen=True)
class Overview:
    """Data of the page. `lists` holds SHOWN operations of each state, `unprotected` SHOWN services."""

    parts: list[heartbeats.Component]
    counts: dict[str, int]
    lists: dict[str, list[operation_lists.Row]]
    unprotected: list[search.Hit]
    unprotected_count: int
    restores_failed: int
    other_vms: int
    servers: list[servers.ServerStatus]


def facts(session: Session, context: Context, lately: int) -> Overview:
    """Return the overview. Ended operations of the last `lately` hours count."""
    since = now() - timedelta(hours=lately)
    lists = {
        state: operation_lists.in_state(session, context, state, since=since, size=SHOWN).rows for state in STATES
    }
    # One query gives both the count and the first ids. Ordered by id: an order by time scans the whole index.
    unprotected = protection.unprotected().with_only_columns(Service.id).order_by(Service.id)
    ids = session.scalars(unprotected.limit(paging.COUNT_LIMIT + 1)).all()
    first = session.scalars(select(Service).where(Service.id.in_(ids[:SHOWN]))).all()
    return Overview(
        parts=heartbeats.components(session), counts=operation_lists.counts(session, since),
        lists={state: list(rows) for state, rows in lists.items()}, unprotected=search.hits(session, first),
        unprotected_count=len(ids), restores_failed=search.count(session, "restore_failed"),
        other_vms=search.count(session, "other_vm"), servers=servers.statuses(session),
    )  # fmt: skip
