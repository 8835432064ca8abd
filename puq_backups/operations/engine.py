"""Runs operations step by step.

A worker may die at any moment. What was on its way to Proxmox is stored in `intent` before the call, so that the next
worker looks for its task instead of repeating the call.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from functools import partial

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from .. import logs
from ..context import Context
from ..errors import BackupsError, Message, ProxmoxBusy
from ..mail import recipients, trouble
from ..models import Backup, Operation, Server, Service, leases
from . import errors, operation_log, state_changes, task_watch
from .claim import LeaseLost, claim, go_on, pause, put_off, write
from .kinds import STEPS
from .proxmox_calls import make_change, start_task
from .step import Change, Done, GoTo, Outcome, Start, Step, StepContext, Wait

log = logging.getLogger("puq_backups.operations")
SERVICE_AND_SERVER = (
    select(Service, Server).join(Server, Server.id == Service.server_id).where(Service.id == bindparam("service"))
)


def run(context: Context, operation_id: str) -> None:
    """Run the steps of a running operation until it has to wait or ends, and keep its lease in between."""
    owner = leases.new_owner()
    while advance(context, operation_id, owner=owner):
        pass


def advance(context: Context, operation_id: str, *, task_runs: bool = False, owner: str | None = None) -> bool:
    """Run one step of a running operation. Returns whether the next step can be run at once.

    1. Claim the operation. If another worker holds it, or its `wake_at` has not come, return False.
    2. If the answer to a call was lost, look for its task. If a task runs, check whether it has ended.
    3. Run the step function. It reads the state of things and returns an outcome.
    4. Act on the outcome: make the call, wait, or go to another step. Commit the result. If the step changed nothing
       but its operation and the lease is kept, the next step is run at once and committed together with it.

    `task_runs`: its task was seen running a moment ago, so that only its progress has to be read.
    `owner`: who holds the lease; it is kept for the next step if that can be run at once. Default None: it is given
    back after this step.
    """
    keeps_lease, owner = owner is not None, owner or leases.new_owner()
    with context.database.open() as session:
        operation = claim(context, session, operation_id, owner)
        if operation is None:
            return False
        try:
            step = _load(context, session, operation)
            step.task_runs, step.keeps_lease = task_runs, keeps_lease
            session.commit()
            with _logged(operation):
                return _run_step(step, owner)
        except LeaseLost:
            session.rollback()
            return False
        except Exception as error:  # noqa: BLE001 - whatever a step or the database raises
            session.rollback()
            return _recover(context, operation_id, owner, error)


def _logged(operation: Operation) -> AbstractContextManager[None]:
    task_id = operation.last_task
    return logs.about(service_id=operation.service_id, operation_id=operation.id, task_id=task_id)


def _server_id(session: Session, operation: Operation, service: Service) -> str:
    """The server an operation works on: a removal works where the backup is, which may be an earlier server."""
    backup = session.get(Backup, operation.backup_id) if operation.kind == "remove" and operation.backup_id else None
    return backup.server_id if backup else service.server_id


def _load(context: Context, session: Session, operation: Operation) -> StepContext:
    """Load what a step works with: service and server by one query, because that is done for each step."""
    service, server = session.execute(SERVICE_AND_SERVER, {"service": operation.service_id}).one()
    if (server_id := _server_id(session, operation, service)) != server.id:
        server = session.get_one(Server, server_id)
    return StepContext(context, session, operation, service, server)


def _recover(context: Context, operation_id: str, owner: str, error: Exception) -> bool:
    """Handle an unexpected error in a session of its own, because a failed flush leaves that of the step unusable.

    If nothing can be stored at all, the lease runs out and the step is run again.
    """
    log.error("operation %s: a fault of puq-backups", operation_id, exc_info=error)
    try:
        with context.database.open() as session:
            step = _load(context, session, session.get_one(Operation, operation_id))
            return _act_on_decision(step, owner, errors.count_fault(step, error), error)
    except LeaseLost:
        return False
    except Exception as second:  # noqa: BLE001 - as above
        log.error("operation %s: the fault could not be stored (%.300s)", operation_id, second)  # noqa: TRY400 - one line
        return False


def _run_step(step: StepContext, owner: str) -> bool:
    operation = step.operation
    try:
        if operation.intent and not operation.upid:
            return pause(step, owner, 0 if task_watch.find_lost(step) else step.context.settings.poll.total_seconds())
        if operation.upid:
            step.task_result = task_watch.watch(step)
            if step.task_result is None:
                watched = bool(step.context.watched([operation.service_id]))
                return pause(
                    step, owner, task_watch.pause_seconds(step.context.settings, operation.intent, watched=watched)
                )
        outcome = _step(step)(step)
        return _act_on_outcome(step, owner, outcome)
    except BackupsError as error:
        return _act_on_decision(step, owner, errors.decide(step, error), error)


def _step(step: StepContext) -> Step:
    return next(function for function in STEPS[step.operation.kind] if function.__name__ == step.operation.step)


def _act_on_outcome(step: StepContext, owner: str, outcome: Outcome) -> bool:
    operation = step.operation
    if isinstance(outcome, Start):
        return start_task(step, owner, outcome)
    task_watch.forget(operation)
    if isinstance(outcome, Change):
        return make_change(step, owner, outcome)
    # Not before a call: a call that is refused for a lock each time would be retried without end.
    errors.forget_trouble(step)
    operation.store(bytes=None)
    if isinstance(outcome, Wait):
        operation.reason = outcome.why.to_json() if outcome.why else None
        return pause(step, owner, outcome.seconds)
    steps = [step.__name__ for step in STEPS[operation.kind]]
    at = steps.index(outcome.step) if isinstance(outcome, GoTo) else steps.index(operation.step) + 1
    if isinstance(outcome, Done) or at == len(steps):
        return _end(step, owner, "done", None)
    operation.step, operation.reason, operation.progress = steps[at], None, None
    at_once = put_off(step)
    if not at_once:
        go_on(step, owner)
    operation_log.step(operation, operation.step)
    return _run_step(step, owner) if at_once else True


def _act_on_decision(step: StepContext, owner: str, decision: errors.Decision, error: Exception) -> bool:
    if isinstance(decision, errors.End):
        return _end(step, owner, decision.state, decision.reason)
    if isinstance(decision, GoTo):
        task_watch.forget(step.operation)
        step.operation.step, step.operation.reason = decision.step, None
        go_on(step, owner)
        operation_log.step(step.operation, decision.step)
        return True
    step.operation.reason = decision.why.to_json() if decision.why else None
    if decision.why and errors.is_lasting(step):
        _tell_staff(step, decision.why, error)
    return pause(step, owner, decision.seconds)


def _tell_staff(step: StepContext, why: Message, error: Exception) -> None:
    """Mail staff about what holds the operation up, and say so to the client."""
    of_vm = isinstance(error, ProxmoxBusy)
    trouble.on_operation(step.session, step.context, step.operation, step.service, why, of_vm=of_vm)
    step.operation.store(told=True)
    if recipients.staff_are_told(step.session, step.context, "operation.trouble", step.service):
        step.operation.reason = Message("Our support has been told: {reason}", reason=why).to_json()


def _end(step: StepContext, owner: str, state: str, reason: Message | None) -> bool:
    operation, context = step.operation, step.context
    if state == "done" and operation.data.get("ending"):
        state, reason = operation.data["ending_state"], Message.from_json(operation.data["ending"])
    task_watch.forget(operation)
    write_step = partial(write, step, owner, release=True)
    state_changes.end(step.session, context, operation, step.service, state, reason, write_step)
    step.session.commit()
    return False
