"""The calls that change Proxmox: what is meant is committed before, what came back after, nothing in between."""

from __future__ import annotations

import logging
import time

from ..context import Context
from ..errors import BackupsError, UnknownOutcome
from ..models import Server
from ..models.audit_log import audit
from ..pve import tasks
from . import task_watch
from .claim import commit, pause
from .step import Change, Start, StepContext

log = logging.getLogger("puq_backups.operations")


def start_task(step: StepContext, owner: str, call: Start) -> bool:
    """Commit the intent and the audit, make the call with no transaction open, commit what came back."""
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
    commit(step, owner)
    try:
        answer = call.call()
    except UnknownOutcome as error:
        log.warning("operation %s: %s", operation.id, error)
        # Proxmox may begin as late as we stopped listening: the time to settle counts from now.
        operation.intent = {**operation.intent, "at": time.time()}
        return pause(step, owner, min(2.0, step.context.settings.poll.total_seconds()))
    except BackupsError:
        operation.intent = None
        raise
    operation.upid = str(getattr(answer, "text", answer))
    return pause(step, owner, min(1.0, step.context.settings.poll.total_seconds()))


def make_change(step: StepContext, owner: str, wanted: Change) -> bool:
    """Commit the audit, make the call with no transaction open; the step is then run again and looks.

    A lost answer, or a worker that died, leaves nothing to find: the step waits until the call can no longer
    come, and compares.
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
    """Have Proxmox stop a running task; what becomes of it is seen by the one who watches it."""
    tasks.stop(context.connect(server), upid)
