"""Changes of an operation's state: start, end, cancel, stuck. Only this module writes `Operation.state`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, Refused
from ..inventory import backup_marks
from ..mail import events, trouble
from ..models import Operation, Server, Service, after_commit, at_present, changes, database_now, leases, now
from ..models.audit_log import audit
from ..models.conflicts import is_conflict
from . import operation_log, start_conditions
from .kinds import STEPS

log = logging.getLogger("puq_backups.operations")


def start(context: Context, operation_id: str) -> bool:
    """Start a waiting operation by taking its service's lock. Returns False if it has to wait, or was refused.

    1. Lock the rows of server and service before anything is read, so that concurrent starts count one after the
       other, and a VM action of the host sees this start or is seen by it.
    2. Check the start conditions.
    3. Take the lock by the UNIQUE column. The second of two operations gets an IntegrityError and waits.
    """
    with context.database.open() as session:
        place = session.execute(
            select(Service.id, Service.server_id)
            .join(Operation, Operation.service_id == Service.id)
            .where(Operation.id == operation_id)
        ).first()
    if place is None:
        return False
    try:
        with context.database.begin() as session:
            session.execute(update(Server).where(Server.id == place.server_id).values(port=Server.port))
            changes.lock(session, [place.id])
            operation = session.get_one(Operation, operation_id)
            if operation.state != "waiting":
                return False
            service = session.get_one(Service, place.id)
            if leases.is_held(service.vm_lease_owner, service.vm_lease_until, database_now(session)):
                return False
            reason = start_conditions.reason_against(session, context.settings, service, operation)
            if isinstance(reason, start_conditions.NotYet):
                return False
            if reason:
                end(session, context, operation, service, reason[0], reason[1])
                return False
            return _take(session, context, operation, service)
    except IntegrityError:
        # Another operation of this service got the lock first.
        return False


def _take(session: Session, context: Context, operation: Operation, service: Service) -> bool:
    limit = context.settings.backup_deadline if operation.kind == "backup" else context.settings.restore_deadline
    at = now()
    taken = session.execute(
        update(Operation)
        .where(Operation.id == operation.id, Operation.state == "waiting")
        .values(
            state="running", lock=service.id, server_id=service.server_id, node=service.node,
            step=STEPS[operation.kind][0].__name__, started_at=at, wake_at=at, deadline_at=at + limit,
            data=_carried_over(operation), attempts=Operation.attempts + 1, reason=None,
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    # Another number of rows than one: another worker started it first.
    if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        return False
    after_commit(session, lambda: operation_log.started(operation, STEPS[operation.kind][0].__name__))
    return True


OVERDUE = (
    select(Operation.id, Operation.service_id)
    .where(Operation.state == "running", Operation.deadline_at <= at_present())
    .limit(200)
)
CARRIED_OVER = ("rotated", "removing", "asked", "upids")


def _carried_over(operation: Operation) -> dict[str, Any]:
    """The data with which an attempt begins: of an earlier one only what tells what became of its calls.

    What it meant to remove is decided anew, and its patience and pauses are its own.
    """
    if not operation.attempts:
        return dict(operation.data)
    return {name: operation.data[name] for name in CARRIED_OVER if name in operation.data}


def end(
    session: Session, context: Context, operation: Operation, service: Service, state: str, reason: Message | None,
    write: Callable[[], None] | None = None,
) -> None:  # fmt: skip
    """End an operation: release the lock and queue its mails in the caller's transaction, run hooks after the commit.

    A failed scheduled backup goes back to `waiting` while attempts and catch-up time are left. `write` writes the
    operation's row, before its mails; default None: the session does it.
    """
    restored = operation.kind in {"restore", "reinstall"}
    if restored:
        changes.lock(session, [operation.service_id])
    operation.lock = operation.upid = operation.intent = operation.progress = operation.deadline_at = None
    operation.reason = reason.to_json() if reason else None
    text = f"{operation.kind} {state}" + (f": {reason}" if reason else "")
    task = operation.last_task
    audit(session, service.id, operation, "ended", text + (f" (task {task})" if task else ""))
    after_commit(session, lambda: operation_log.ended(operation, operation.state, reason))
    delays = context.settings.retry_delays
    if state == "failed" and operation.kind == "backup" and operation.slot_date and operation.attempts <= len(delays):
        again = now() + delays[max(operation.attempts, 1) - 1]
        if again <= operation.due_at + context.settings.catch_up and service.status == "active":
            operation.state, operation.wake_at, operation.step = "waiting", again, ""
            (write or session.flush)()
            if reason:
                trouble.on_operation(session, context, operation, service, reason)
            return
    operation.state, operation.finished_at = state, now()
    if restored:
        _note_restore(session, operation, service)
    (write or session.flush)()
    _write_mails(session, operation, lambda: _tell_people(session, context, operation, service))
    after_commit(session, lambda: _tell_hooks(context, operation))


def _tell_people(session: Session, context: Context, operation: Operation, service: Service) -> None:
    events.on_operation_end(session, context, operation, service)
    trouble.on_operation_end(session, context, operation, service)


def _write_mails(session: Session, operation: Operation, write: Callable[[], None]) -> None:
    """Queue mails about an operation; a failure must not keep it, and with it the lock, from changing its state."""
    session.flush()
    try:
        with session.begin_nested():
            write()
    except Exception as error:
        if isinstance(error, SQLAlchemyError) and is_conflict(error):
            raise
        log.exception("operation %s: its mails could not be written", operation.id)


def _note_restore(session: Session, operation: Operation, service: Service) -> None:
    if operation.state == "done":
        backup_marks.settle_failed_restore(session, service)
    elif operation.data.get("touched"):
        service.restore_failed = operation.id


def _tell_hooks(context: Context, operation: Operation) -> None:
    """Run the `After…` or `After…Failed` hooks. A skipped slot runs neither."""
    point = f"After{operation.kind.title()}"
    facts: dict[str, Any] = {"service_id": operation.service_id, "operation_id": operation.id}
    if operation.state == "done":
        about = {} if operation.kind == "reinstall" else {"backup_id": operation.backup_id}
        context.hooks.run(point, **facts, **about)
    elif operation.state != "skipped":
        reason = str(operation.why or operation.state)
        context.hooks.run(f"{point}Failed", **facts, state=operation.state, reason=reason)


def cancel(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Cancel a waiting operation; raises Refused if it has started meanwhile."""
    if operation.slot_date:
        changes.concern(session, service.id)
    gone = session.execute(
        update(Operation)
        .where(Operation.id == operation.id, Operation.state == "waiting")
        .values(state="cancelled")
        .execution_options(synchronize_session=False)
    )
    if gone.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        raise Refused("It has started meanwhile.")
    session.refresh(operation)
    end(session, context, operation, service, "cancelled", None)


def overdue(session: Session) -> list[tuple[str, str]]:
    """The running operations past their deadline, as (operation id, service id)."""
    return [(row.id, row.service_id) for row in session.connection().execute(OVERDUE)]


def mark_stuck(context: Context, operation_id: str) -> None:
    """Mark a running operation as stuck and mail staff. It keeps its lock and is watched."""
    with context.database.begin() as session:
        marked = session.execute(
            update(Operation)
            .where(Operation.id == operation_id, Operation.state == "running")
            .values(state="stuck", deadline_at=None)
            .execution_options(synchronize_session=False)
        )
        # No row: its worker ended it meanwhile.
        if marked.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            return
        operation = session.get_one(Operation, operation_id)
        service = session.get_one(Service, operation.service_id)
        _write_mails(session, operation, lambda: trouble.on_stuck(session, context, operation, service))
        after_commit(session, lambda: operation_log.stuck(operation))
