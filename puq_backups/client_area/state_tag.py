"""The ETag of `/state` while nothing runs: a hash of all that the answer depends on."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from importlib.metadata import version

from sqlalchemy import BindParameter, Select, bindparam, case, exists, func, or_, select, true
from sqlalchemy import inspect as inspect_mapper
from sqlalchemy.orm import Session

from ..inventory import locks
from ..models import ACTIVE_STATES, Backup, Operation, Service, Storage, now

RELEASE = version("puq-backups")
VALID_SECONDS = 300
"""How long a tag stays the same at most: hooks of the host may show what is in no table of ours."""


def state_tag(session: Session, service: Service) -> str | None:
    """Return the tag of a loaded service, by one query; None while an operation runs or waits.

    An operation's progress, place and time left change by themselves, so its answer has to be made anew.
    """
    given = {"service": service.id, "server": service.server_id, "machine": service.machine, "on": service.node}
    facts = session.connection().execute(_facts(), given).one()
    if facts.live:
        return None
    columns = [getattr(service, column.key) for column in inspect_mapper(Service).column_attrs]
    due = service.next_run_at is not None and service.next_run_at <= now()
    lock = locks.lock_reason_of(service, None)
    seen = (RELEASE, int(time.time() // VALID_SECONDS), due, str(lock), tuple(facts), columns)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]


@cache
def _facts() -> Select[tuple[int, ...]]:
    """Counts and sums over what a service has, and over the storages of its server. Built once: pages ask often.

    Changes that they do not show, such as another text of the same length in a note, raise the service's `version`.
    """
    service: BindParameter[str] = bindparam("service")
    own = Backup.service_id == service, Backup.removed_at.is_(None)
    backups = (
        select(
            func.count().label("backups"), func.sum(Backup.size).label("bytes"),
            func.sum(Backup.disks).label("disks"), func.max(Backup.created_at).label("newest"),
            func.sum(func.length(Backup.note)).label("notes"),
            func.sum(case((Backup.kept, 1), else_=0)).label("kept"),
            func.count(Backup.missing_at).label("missing"), func.count(Backup.damaged_at).label("damaged"),
            func.count(Backup.binned_until).label("binned"), func.max(Backup.binned_until).label("binned_until"),
            func.count(Backup.released_at).label("released"),
            func.sum(case((Backup.verification == "ok", 1), (Backup.verification == "failed", 1_000_000), else_=0))
            .label("verified"),
            func.sum(case((Backup.machine == bindparam("machine"), 1), else_=0)).label("of_this_machine"),
            func.sum(case((or_(Backup.node == "", Backup.node == bindparam("on")), 1), else_=0))
            .label("on_this_node"),
            func.sum(func.length(Backup.kind)).label("kinds"),
        ).where(*own).subquery()
    )  # fmt: skip
    storages = (
        select(
            func.count().label("storages"), func.sum(case((Storage.active, 1), else_=0)).label("active"),
            func.sum(case((Storage.unseen, 1), else_=0)).label("unseen"),
            func.max(Storage.active_at).label("active_at"),
            func.count(Storage.given_up_at).label("given_up"), func.sum(func.length(Storage.nodes)).label("nodes"),
        ).where(Storage.server_id == bindparam("server")).subquery()
    )  # fmt: skip
    live = exists().where(Operation.service_id == service, Operation.state.in_(ACTIVE_STATES))
    latest = select(func.max(Operation.created_at)).where(Operation.service_id == service).scalar_subquery()
    # Each of the two is one row.
    both = backups.join(storages, true())
    return select(case((live, 1), else_=0).label("live"), latest.label("latest"), backups, storages).select_from(both)
