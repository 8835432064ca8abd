"""Computes and stores how the backups of a service protect it; finds unprotected services for staff."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import CompoundSelect, Select, bindparam, or_, select, union_all
from sqlalchemy.orm import Session

from ..config import Settings
from ..models import ACTIVE_STATES, Operation, Service, now
from ..rules.next_run import upcoming
from ..rules.protection import Facts, Good, Protection, Slot, judge
from ..rules.run_decision import TODAYS
from ..rules.schedule import Schedule
from . import run_decision
from .service_backups import Inventory, load_inventories

SLOTS = 3
"""How many scheduled runs are looked at: two that came to nothing leave a service unprotected."""
FAILED_STATES = ("failed", "missed", "refused")


def update(session: Session, settings: Settings, services: Collection[Service]) -> dict[str, Exception]:
    """Compute how services are protected and store it, in the caller's transaction.

    It is called before each commit that changes what counts, and by the tick at `protection_changes_at`. Returns the
    errors of those that cannot be computed, by id. The number of queries does not depend on that of the services.
    """
    at, errors = now(), {}
    inventories, claimed = load_inventories(session, services), _claimed(session, services)
    for service in services:
        try:
            facts = _facts(settings, inventories[service.id], claimed[service.id], at)
            _store(service, judge(facts, at, settings.catch_up), at)
        except Exception as error:  # noqa: BLE001 - whatever a row holds, the others are computed
            errors[service.id] = error
    return errors


def _store(service: Service, found: Protection, at: datetime) -> None:
    if service.protection != found.state or service.protection_since is None:
        service.protection, service.protection_since = found.state, at
    service.protection_reason = found.reason.to_json()
    service.last_good_at, service.protection_changes_at = found.last_good_at, found.changes_at


def _facts(settings: Settings, inventory: Inventory, claimed: list[Slot], at: datetime) -> Facts:
    service = inventory.service
    good = [backup for backup in inventory.backups if inventory.is_good(backup)]
    schedule = Schedule.from_json(service.schedule) if service.schedule else None
    planned = schedule is not None and any(day.enabled for day in schedule.days)
    unseen = [inventory.unseen_since(backup) for backup in good]
    return Facts(
        status=service.status, limit=service.quota, planned=planned,
        slots=[*_unclaimed(schedule, service, settings, at), *claimed],
        good=[Good(backup.created_at, since is None) for backup, since in zip(good, unseen, strict=True)],
        next_at=service.next_run_at, next_run=run_decision.decide_run(settings, inventory, service.next_run_date),
        unseen_since=max(filter(None, unseen), default=None),
    )  # fmt: skip


def _claimed(session: Session, services: Collection[Service]) -> dict[str, list[Slot]]:
    """The last scheduled runs of services that have a row, newest first, by service id. One query."""
    found: dict[str, list[Slot]] = {service.id: [] for service in services}
    # Filled up to a power of two: a compiled statement is kept for each number.
    most = 1 << max(len(found) - 1, 0).bit_length()
    given = {f"service{number}": "" for number in range(most)}
    given |= {f"service{number}": service_id for number, service_id in enumerate(found)}
    rows = session.connection().execute(_last_slots(most), given).all() if found else []
    for service_id, _, due_at, state, reason in sorted(rows, key=lambda row: str(row.slot_date), reverse=True):
        skipped = state == "skipped" and (reason or {}).get("text") == TODAYS.text
        found[service_id].append(Slot(due_at, skipped, state in ACTIVE_STATES))
    return found


@lru_cache(32)
def _last_slots(services: int) -> CompoundSelect[Any]:
    """The rows of each service are read by themselves, so that a long history is not."""
    rows = (
        select(Operation.service_id, Operation.slot_date, Operation.due_at, Operation.state, Operation.reason)
        .where(Operation.slot_date.is_not(None))
        .order_by(Operation.slot_date.desc())
        .limit(SLOTS)
    )
    whose = [rows.where(Operation.service_id == bindparam(f"service{number}")) for number in range(services)]
    return union_all(*(select(one.subquery()) for one in whose))


def _unclaimed(schedule: Schedule | None, service: Service, settings: Settings, at: datetime) -> list[Slot]:
    """The runs, newest first, whose time is over and that nobody claimed, as while the clock stands still."""
    first = service.next_run_at
    if schedule is None or first is None or first + settings.catch_up > at:
        return []
    after = upcoming(schedule, first, SLOTS)
    late = [first, *(slot.at for slot in after if slot.at + settings.catch_up <= at)]
    return [Slot(moment) for moment in reversed(late)]


def unprotected() -> Select[Any]:
    """Services whose stored state is `unprotected`, found by its index."""
    return select(Service).where(Service.protection == "unprotected")


def without_good_backup_since(since: datetime) -> Select[Any]:
    """Select active services with a quota and a schedule whose last good backup was made before `since`.

    Services created after `since` are left out.
    """
    planned = (Service.status == "active", Service.quota > 0, Service.next_run_at.is_not(None))
    old = or_(Service.last_good_at.is_(None), Service.last_good_at < since)
    return select(Service).where(*planned, Service.created_at < since, old)
