"""Turns due slots into backup operations, exactly one per slot, however many processes tick."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..inventory import run_decision, service_backups
from ..models import Operation, Service, now
from ..operations import state_changes
from ..rules import next_run
from ..rules.package import Package
from ..rules.schedule import Schedule

BATCH = 500
LOOK_BACK = timedelta(days=21)


def plan_next(session: Session, service: Service, after: datetime) -> None:
    """Store the next slot after `after` on the service; None while it is suspended or terminated."""
    schedule = Schedule.from_json(service.schedule) if service.schedule else None
    found = None
    if schedule is not None and service.status == "active":
        found = next_run.next_run(schedule, after, taken=taken_dates(session, service))
    service.next_run_date = found[0].isoformat() if found else None
    service.next_run_at = found[1] if found else None


def taken_dates(session: Session, service: Service) -> set[date]:
    """The local dates of the last 21 days, and later, that have a slot."""
    oldest = (now() - LOOK_BACK).date().isoformat()
    dates = select(Operation.slot_date).where(Operation.service_id == service.id, Operation.slot_date >= oldest)
    return {date.fromisoformat(found) for found in session.scalars(dates) if found}


def claim_due(context: Context) -> int:
    """Create an operation for each due slot. Returns the number of services with a due slot.

    1. Select the services whose `next_run_at` has passed, by its index.
    2. For each, in a transaction of its own: advance `next_run_at`. A second process finds it advanced and stops.
    3. Record the slot that runs and those that were missed.
    """
    with context.database.open() as session:
        due = select(Service.id, Service.next_run_at).where(Service.next_run_at <= now())
        found = session.execute(due.order_by(Service.next_run_at).limit(BATCH)).all()
    for service_id, planned in found:
        _claim_once(context, service_id, planned)
    return len(found)


def claim_service(context: Context, service_id: str) -> None:
    """Claim the due slots of one service, so that a new schedule does not drop slots of the old one."""
    with context.database.open() as session:
        planned = session.scalar(
            select(Service.next_run_at).where(Service.id == service_id, Service.next_run_at <= now())
        )
    _claim_once(context, service_id, planned)


def _claim_once(context: Context, service_id: str, planned: datetime | None) -> None:
    if planned is None:
        return
    try:
        with context.database.begin() as session:
            _claim(session, context, service_id, planned)
    except IntegrityError:
        # Another process recorded the same slot first.
        return


def newest_due_at(session: Session, service: Service, before: datetime) -> datetime | None:
    """The due time of the service's newest slot that was due at or before `before`; None without one."""
    slots = select(func.max(Operation.due_at)).where(
        Operation.service_id == service.id, Operation.slot_date.is_not(None), Operation.due_at <= before
    )
    return session.scalar(slots)


def _claim(session: Session, context: Context, service_id: str, planned: datetime) -> None:
    held = session.execute(
        update(Service)
        .where(Service.id == service_id, Service.next_run_at == planned)
        .values(version=Service.version + 1)
    )
    # No row: another process claimed this slot first and advanced the time.
    if held.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        return
    service, at = session.get_one(Service, service_id), now()
    just_before = planned - timedelta(microseconds=1)
    found = next_run.due_slots(
        Schedule.from_json(service.schedule),
        at,
        since=min(service.slots_from or just_before, just_before),
        catch_up=context.settings.catch_up,
        taken=taken_dates(session, service),
    )
    service.slots_from = at
    for missed in found.missed:
        slot = _new_slot(session, service, missed.date, missed.at)
        reason = Message("Nothing ran within {hours} hours of its time.", hours=_in_hours(context.settings.catch_up))
        if at - missed.at <= context.settings.catch_up:
            reason = Message("It was late, and a later run took its place.")
        state_changes.end(session, context, slot, service, "missed", reason)
    if found.run:
        _end_unless_runnable(session, context, service, _new_slot(session, service, found.run.date, found.run.at))
    plan_next(session, service, at)


def _in_hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g}"


def _new_slot(session: Session, service: Service, day: date, at: datetime) -> Operation:
    slot = Operation.new(
        service, "backup", origin="scheduled", actor="schedule", slot_date=day.isoformat(), due_at=at,
        storage=Package.from_json(service.package).storage,
    )  # fmt: skip
    session.add(slot)
    session.flush()
    return slot


def _end_unless_runnable(session: Session, context: Context, service: Service, slot: Operation) -> None:
    """Leave the slot waiting to start, or end it as skipped or refused."""
    inventory = service_backups.load_inventory(session, service)
    decided = run_decision.decide_run(context.settings, inventory, str(slot.slot_date), slot)
    if decided.outcome != "runs":
        state = "skipped" if decided.outcome == "skipped" else "refused"
        state_changes.end(session, context, slot, service, state, decided.reason)
