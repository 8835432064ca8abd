"""Calls that change Proxmox: the intent is committed before, the answer after, and no transaction is open between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from ..context import Context
from ..errors import BackupsError, UnknownOutcome
from ..models import Server, changes
from ..models.audit_log import audit
from ..pve import tasks
from . import operation_log, task_watch
from .claim import commit, pause
from .step import Change, Start, StepContext

log = logging.getLogger("puq_backups.operations")


def start_task(step: StepContext, owner: str, call: Start) -> bool:
    """Commit intent and audit row, make the call that starts a task, commit its UPID."""
    operation = step.operation
    task_watch.forget(operation)
    at = time.time()
    operation.intent = {
        "type": call.type, "id": call.id, "marker": call.marker, "tolerate": call.tolerate,
        "node": call.node or step.node, "findable": call.findable, "at": at,
        "since": at + step.proxmox.clock_offset,
    }  # fmt: skip
    operation.progress = operation.reason = None
    audit(step.session, step.service.id, operation, call.type, call.audit)
    if call.still and not _still_holds(step, call.still):
        return pause(step, owner, 0)
    commit(step, owner)
    try:
        answer = call.call()
    except UnknownOutcome as error:
        log.warning("operation %s: %s", operation.id, error)
        # Proxmox may start the task as late as the read timeout, so the settle time counts from here.
        operation.intent = {**operation.intent, "at": time.time()}
        return pause(step, owner, min(2.0, step.context.settings.poll.total_seconds()))
    except BackupsError:
        operation.intent = None
        raise
    operation.upid = str(getattr(answer, "text", answer))
    operation_log.task(operation)
    return pause(step, owner, min(1.0, step.context.settings.poll.total_seconds()))


def _still_holds(step: StepContext, still: Callable[[Session], bool]) -> bool:
    """Ask, with the service's row locked, whether what the step decided is still right; else drop its changes.

    Requests lock the same row, so each of them is either seen here or sees the intent.
    """
    changes.lock(step.session, [step.operation.service_id])
    # A session of its own: the step's session would answer with the rows as it has read them before.
    with step.context.database.open() as fresh:
        if still(fresh):
            return True
    step.session.rollback()
    step.session.refresh(step.operation)
    step.session.refresh(step.service)
    step.session.commit()
    return False


def make_change(step: StepContext, owner: str, wanted: Change) -> bool:
    """Commit the audit row and make a call that starts no task. The step is run again afterwards and compares.

    A lost answer leaves no task to look for, so the step is run again only after `PUQ_BACKUPS_SETTLE`, when the call
    can no longer take effect.
    """
    audit(step.session, step.service.id, step.operation, step.operation.step, wanted.audit)
    commit(step, owner)
    try:
        wanted.call()
    except UnknownOutcome as error:
        log.warning("operation %s: %s", step.operation.id, error)
        return pause(step, owner, step.context.settings.settle.total_seconds())
    return pause(step, owner, 0)


def stop_task(context: Context, server: Server, upid: str) -> None:
    """Ask Proxmox to stop a running task. The worker that watches the task sees how it ends."""
    tasks.stop(context.connect(server), upid)
