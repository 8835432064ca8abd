"""Turns due slots into backup operations, exactly one per slot, however many processes tick."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..inventory import run_decision, service_backups
from ..inventory.service_backups import Inventory
from ..models import Operation, Service, at_present, changes, not_set_aside, now
from ..operations import state_changes
from ..operations.set_aside import RowWork
from ..rules import next_run
from ..rules.package import Package
from ..rules.schedule import Schedule

BATCH = 100
WORK = "slot"
LONGEST_CLAIM = 20.0
"""Seconds after which a tick claims no further batch, so that the rest of the tick has its turn."""
LOOK_BACK = timedelta(days=21)
DUE = (
    select(Service.id)
    .where(Service.next_run_at <= at_present(), not_set_aside(WORK, Service.id))
    .order_by(Service.next_run_at)
)


def plan_next(session: Session, service: Service, after: datetime, taken: Collection[date] | None = None) -> None:
    """Store the next slot after `after` on the service; None while it is suspended or terminated.

    `taken` are the dates that have a slot. Default None: they are read.
    """
    schedule = Schedule.from_json(service.schedule) if service.schedule else None
    found = None
    if schedule is not None and service.status == "active":
        taken = taken_dates(session, service) if taken is None else taken
        found = next_run.next_run(schedule, after, taken=taken)
    service.next_run_date = found[0].isoformat() if found else None
    service.next_run_at = found[1] if found else None


def taken_dates(session: Session, service: Service) -> set[date]:
    """The local dates of the last 21 days, and later, that have a slot."""
    return _taken_dates(session, [service.id])[service.id]


def _taken_dates(session: Session, service_ids: Collection[str]) -> dict[str, set[date]]:
    oldest = (now() - LOOK_BACK).date().isoformat()
    rows = select(Operation.service_id, Operation.slot_date).where(
        Operation.service_id.in_(service_ids), Operation.slot_date >= oldest
    )
    found: dict[str, set[date]] = {service_id: set() for service_id in service_ids}
    for service_id, day in session.execute(rows):
        found[service_id].add(date.fromisoformat(str(day)))
    return found


def claim_due(context: Context) -> int:
    """Create an operation for each due slot. Returns the number of services with a due slot.

    1. Select a batch of services whose `next_run_at` has passed, by its index.
    2. In one transaction lock them, record the slots that run and those that were missed, advance `next_run_at`. A
       second process finds it advanced.
    3. Go on with the next batch, for at most LONGEST_CLAIM. The next tick does the rest.

    A service that cannot be claimed is set aside; the others of its batch are claimed one by one.
    """
    until, handled, rows = time.monotonic() + LONGEST_CLAIM, 0, RowWork(context, WORK)
    failed: set[str] = set()
    while time.monotonic() < until:
        with context.database.open() as session:
            found = due_services(session, BATCH, failed)
        if not found:
            break
        failed |= _claim_batch(context, rows, found)
        handled += len(found)
        if len(found) < BATCH:
            break
    return handled


def due_services(session: Session, most: int, leave_out: Collection[str] = ()) -> Sequence[str]:
    """Ids of services whose slot is due, the longest due first; those that are set aside are left out."""
    due = DUE.where(Service.id.not_in(leave_out)) if leave_out else DUE
    return session.connection().execute(due.limit(most)).scalars().all()


def _claim_batch(context: Context, rows: RowWork, service_ids: Sequence[str]) -> set[str]:
    """Claim the due slots of services. Returns the ids of those that cannot be claimed."""
    try:
        _claim(context, service_ids)
    except Exception:  # noqa: BLE001 - whichever row it was: each is tried by itself
        return {key for key in service_ids if not rows.run(key, partial(claim_service, context, key), key)}
    rows.done(service_ids)
    return set()


def claim_service(context: Context, service_id: str) -> None:
    """Claim the due slots of one service, so that a new schedule does not drop slots of the old one."""
    try:
        _claim(context, [service_id])
    except IntegrityError:
        # Another process recorded the same slot first.
        return


def newest_due_at(session: Session, service: Service, before: datetime) -> datetime | None:
    """The due time of the service's newest slot that was due at or before `before`; None without one."""
    slots = select(func.max(Operation.due_at)).where(
        Operation.service_id == service.id, Operation.slot_date.is_not(None), Operation.due_at <= before
    )
    return session.scalar(slots)


def _claim(context: Context, service_ids: Sequence[str]) -> None:
    """Claim the due slots of services in one transaction, with a number of queries that does not depend on theirs."""
    with context.database.begin() as session:
        due = Service.id.in_(service_ids), Service.next_run_at <= now()
        session.execute(
            update(Service)
            .where(*due)
            .values(version=Service.version + 1)
            .execution_options(synchronize_session=False)
        )
        # A service that is no longer among them was claimed by another process.
        services = session.scalars(select(Service).where(*due).order_by(Service.id)).all()
        changes.note_locked(session, [service.id for service in services])
        taken = _taken_dates(session, [service.id for service in services])
        inventories = service_backups.load_inventories(session, services)
        with session.no_autoflush:
            for service in services:
                _claim_slots(session, context, inventories[service.id], taken[service.id])


def _claim_slots(session: Session, context: Context, inventory: Inventory, taken: set[date]) -> None:
    service, at = inventory.service, now()
    assert service.next_run_at is not None  # noqa: S101 - it is due
    just_before = service.next_run_at - timedelta(microseconds=1)
    found = next_run.due_slots(
        Schedule.from_json(service.schedule),
        at,
        since=min(service.slots_from or just_before, just_before),
        catch_up=context.settings.catch_up,
        taken=taken,
    )
    service.slots_from = at
    for missed in found.missed:
        slot = _new_slot(session, service, missed.date, missed.at)
        reason = Message("It did not start within {hours} hours.", hours=_in_hours(context.settings.catch_up))
        if at - missed.at <= context.settings.catch_up:
            reason = Message("It was late, and a later run took its place.")
        state_changes.end(session, context, slot, service, "missed", reason)
    claimed = [*found.missed, found.run] if found.run else found.missed
    if found.run:
        _end_unless_runnable(session, context, inventory, _new_slot(session, service, found.run.date, found.run.at))
    plan_next(session, service, at, taken | {slot.date for slot in claimed})


def _in_hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g}"


def _new_slot(session: Session, service: Service, day: date, at: datetime) -> Operation:
    slot = Operation.new(
        service, "backup", origin="scheduled", actor="schedule", slot_date=day.isoformat(), due_at=at,
        storage=Package.from_json(service.package).storage,
    )  # fmt: skip
    session.add(slot)
    return slot


def _end_unless_runnable(session: Session, context: Context, inventory: Inventory, slot: Operation) -> None:
    """Leave the slot waiting to start, or end it as skipped or refused."""
    decided = run_decision.decide_run(context.settings, inventory, str(slot.slot_date), slot)
    if decided.outcome != "runs":
        state = "skipped" if decided.outcome == "skipped" else "refused"
        state_changes.end(session, context, slot, inventory.service, state, decided.reason)
