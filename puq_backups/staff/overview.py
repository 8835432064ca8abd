"""The overview: everything that staff should know of at a glance, and nothing that takes long to find."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..clock import heartbeats
from ..context import Context
from ..inventory import protection
from ..models import Service, now
from . import paging, queue, search, servers

SHOWN = 5
STATES = ("stuck", "running", "waiting", "failed", "missed", "refused")
"""The lists of operations, those first that need staff."""


@dataclass(frozen=True)
class Front:
    """`lists` holds the first lines of each state, `counts` how many there are; `unprotected` the first services."""

    parts: list[heartbeats.Component]
    counts: dict[str, int]
    lists: dict[str, list[queue.Line]]
    unprotected: list[search.Hit]
    unprotected_count: int
    restores_failed: int
    other_vms: int
    servers: list[servers.Standing]


def facts(session: Session, context: Context, lately: int) -> Front:
    """The overview; what has ended, and good backups, are looked at for the last `lately` hours."""
    since = now() - timedelta(hours=lately)
    lists = {state: queue.in_state(session, context, state, since=since, size=SHOWN).rows for state in STATES}
    # One look finds both how many there are and the first of them; in the order of its index it reads on and on.
    unprotected = protection.without_good_backup_since(since).with_only_columns(Service.id).order_by(Service.id)
    ids = session.scalars(unprotected.limit(paging.MOST + 1)).all()
    first = session.scalars(select(Service).where(Service.id.in_(ids[:SHOWN]))).all()
    return Front(
        parts=heartbeats.components(session), counts=queue.counts(session, since),
        lists={state: list(rows) for state, rows in lists.items()}, unprotected=search.hits(session, first),
        unprotected_count=len(ids), restores_failed=search.count(session, "restore_failed"),
        other_vms=search.count(session, "other_vm"), servers=servers.standings(session),
    )  # fmt: skip
