"""The only place that writes an operation's state.

An operation waits, is started (it takes its service's lock), goes through its steps one by one, and ends. Any
worker may die at any moment: what was on its way to Proxmox stands in `intent`, and is looked for, not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message, Refused
from ..mail import events
from ..models import Operation, Server, Service, database_now, leases, now, when_committed
from ..models.audit_log import audit
from ..pve import tasks
from . import backup, errors, reinstall, remove, restore, start_conditions, task_watch
from .claim import LeaseLost, claim, commit, pause
from .proxmox_calls import change, start_task
from .step import Change, Hop, Outcome, Start, Step, Wait, Work

__all__ = ["STEPS", "advance", "cancel", "end", "mark_stuck", "start", "stop_task"]

STEPS: Mapping[str, Sequence[Step]] = {
    "backup": backup.STEPS, "restore": restore.STEPS, "remove": remove.STEPS, "reinstall": reinstall.STEPS,
}  # fmt: skip


def start(context: Context, operation_id: str) -> bool:
    """Take the service's lock for a waiting operation; False where it has to wait on, or was refused now.

    1. Lock the rows of server and service before anything is read: two starts count one after the other, and the
       host's own VM action is seen or sees us.
    2. Check again what was checked when it was asked for.
    3. Take the lock by the unique column; whoever comes second waits.
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
            session.execute(update(Service).where(Service.id == place.id).values(version=Service.version + 1))
            operation = session.get_one(Operation, operation_id)
            if operation.state != "waiting":
                return False
            service = session.get_one(Service, place.id)
            if leases.holds(service.vm_lease_owner, service.vm_lease_until, database_now(session)):
                return False
            reason = start_conditions.reason_against(session, context.settings, service, operation)
            if isinstance(reason, start_conditions.Later):
                return False
            if reason:
                end(session, context, operation, service, reason[0], reason[1])
                return False
            return _take(session, context, operation, service)
    except IntegrityError:
        # Another operation of this service got the lock first.
        return False


def _take(session: Session, context: Context, operation: Operation, service: Service) -> bool:
    taken = session.execute(
        update(Operation)
        .where(Operation.id == operation.id, Operation.state == "waiting")
        .values(state="running", lock=service.id)
        .execution_options(synchronize_session=False)
    )
    # No row: another worker started it first.
    if taken.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
        return False
    session.refresh(operation)
    limit = context.settings.backup_deadline if operation.kind == "backup" else context.settings.restore_deadline
    operation.node = service.node
    operation.step = STEPS[operation.kind][0].__name__
    operation.started_at = operation.wake_at = now()
    operation.deadline_at = now() + limit
    operation.attempts += 1
    operation.reason = None
    return True


def advance(context: Context, operation_id: str) -> bool:
    """Run one step of a running operation; True where the next can be run at once.

    1. Claim it for a while; another's claim, or a time that has not come, ends it here.
    2. Look for a call whose answer was lost; watch a task that runs.
    3. Run the step: it reads, and answers with what to do.
    4. Do that, and commit what came of it.
    """
    with context.database.open() as session:
        operation = claim(context, session, operation_id)
        if operation is None:
            return False
        service = session.get_one(Service, operation.service_id)
        server = session.get_one(Server, service.server_id)
        owner = str(operation.lease_owner)
        session.commit()
        try:
            proxmox = context.connect(server)
            # A step that asked Proxmox inside a transaction would hold rows, on SQLite everybody's, for seconds.
            proxmox.on_call = lambda call: _no_transaction(session, call)
            work = Work(context, session, operation, service, server, proxmox)
            return _move(work, owner)
        except LeaseLost:
            session.rollback()
            return False


def _no_transaction(session: Session, call: str) -> None:
    if session.info.get("in_transaction"):
        raise RuntimeError(f"{call} inside a transaction")


def _move(work: Work, owner: str) -> bool:
    operation = work.operation
    try:
        if operation.intent and not operation.upid:
            return pause(work, owner, 0 if task_watch.find_lost(work) else work.context.settings.poll.total_seconds())
        if operation.upid:
            work.ended = task_watch.watch(work)
            if work.ended is None:
                return pause(work, owner, work.context.settings.poll.total_seconds())
        outcome = _step(work)(work)
        return _carry_out(work, owner, outcome)
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - the one place where any trouble of a step is judged
        return _judge(work, owner, error)


def _step(work: Work) -> Step:
    return next(step for step in STEPS[work.operation.kind] if step.__name__ == work.operation.step)


def _carry_out(work: Work, owner: str, outcome: Outcome) -> bool:
    operation = work.operation
    if isinstance(outcome, Start):
        return start_task(work, owner, outcome)
    task_watch.forget(operation)
    if isinstance(outcome, Change):
        return change(work, owner, outcome)
    # Not before a call: one that is refused for a lock each time would be patient for ever.
    operation.store(troubled_since=None, tries=0, faults=0, bytes=None)
    if isinstance(outcome, Wait):
        operation.reason = outcome.why.to_json() if outcome.why else None
        return pause(work, owner, outcome.seconds)
    steps = [step.__name__ for step in STEPS[operation.kind]]
    at = steps.index(outcome.step) if isinstance(outcome, Hop) else steps.index(operation.step) + 1
    if at == len(steps):
        return _end(work, owner, "done", None)
    operation.step, operation.reason, operation.progress = steps[at], None, None
    commit(work, owner, release=True)
    return True


def _judge(work: Work, owner: str, error: Exception) -> bool:
    verdict = errors.judge(work, error)
    if isinstance(verdict, errors.End):
        return _end(work, owner, verdict.state, verdict.reason)
    if isinstance(verdict, Hop):
        task_watch.forget(work.operation)
        work.operation.step, work.operation.reason = verdict.step, None
        commit(work, owner, release=True)
        return True
    work.operation.reason = verdict.why.to_json() if verdict.why else None
    return pause(work, owner, verdict.seconds)


def _end(work: Work, owner: str, state: str, reason: Message | None) -> bool:
    operation, context = work.operation, work.context
    if state == "done" and operation.data.get("ending"):
        state, reason = operation.data["ending_state"], Message.from_json(operation.data["ending"])
    task_watch.forget(operation)
    end(work.session, context, operation, work.service, state, reason)
    commit(work, owner, release=True)
    return False


def end(
    session: Session, context: Context, operation: Operation, service: Service, state: str, reason: Message | None
) -> None:
    """End an operation, free the lock and write the mails, in the caller's transaction; hooks are told after it.

    A failed scheduled backup goes back to waiting while tries and time are left.
    """
    operation.lock = operation.upid = operation.intent = operation.progress = operation.deadline_at = None
    operation.reason = reason.to_json() if reason else None
    audit(session, service.id, operation, "ended", f"{operation.kind} {state}" + (f": {reason}" if reason else ""))
    delays = context.settings.retry_delays
    if state == "failed" and operation.kind == "backup" and operation.slot_date and operation.attempts <= len(delays):
        again = now() + delays[max(operation.attempts, 1) - 1]
        if again <= operation.due_at + context.settings.catch_up and service.status == "active":
            operation.state, operation.wake_at, operation.step = "waiting", again, ""
            return
    operation.state, operation.finished_at = state, now()
    if operation.kind in {"restore", "reinstall"}:
        _note_restore(operation, service)
    events.on_end(session, context, operation, service)
    when_committed(session, lambda: _tell_hooks(context, operation))


def _note_restore(operation: Operation, service: Service) -> None:
    if operation.state == "done":
        service.restore_failed = None
    elif operation.data.get("touched"):
        service.restore_failed = operation.id


def _tell_hooks(context: Context, operation: Operation) -> None:
    """Run `After…` or `After…Failed`. A skipped slot has its backup: neither."""
    point = f"After{operation.kind.title()}"
    facts: dict[str, Any] = {"service_id": operation.service_id, "operation_id": operation.id}
    if operation.state == "done":
        about = {} if operation.kind == "reinstall" else {"backup_id": operation.backup_id}
        context.hooks.run(point, **facts, **about)
    elif operation.state != "skipped":
        reason = str(operation.why or operation.state)
        context.hooks.run(f"{point}Failed", **facts, state=operation.state, reason=reason)


def cancel(session: Session, context: Context, operation: Operation, service: Service) -> None:
    """Cancel a waiting operation. Refused where it has started meanwhile."""
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


def mark_stuck(session: Session, context: Context) -> None:
    """Running operations past their deadline become stuck: staff is told, the lock is kept, watching goes on."""
    late = select(Operation).where(Operation.state == "running", Operation.deadline_at <= now()).limit(200)
    for operation in session.scalars(late).all():
        marked = session.execute(
            update(Operation)
            .where(Operation.id == operation.id, Operation.state == "running")
            .values(state="stuck", deadline_at=None)
            .execution_options(synchronize_session=False)
        )
        # No row: its worker ended it meanwhile.
        if marked.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            continue
        session.refresh(operation)
        events.on_stuck(session, context, operation, session.get_one(Service, operation.service_id))


def stop_task(context: Context, server: Server, upid: str) -> None:
    """Have Proxmox stop a running task; what becomes of it is seen by the one who watches it."""
    tasks.stop(context.connect(server), upid)
