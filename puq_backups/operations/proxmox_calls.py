"""The calls that change Proxmox: what is meant is committed before, what came back after, nothing in between."""

from __future__ import annotations

import logging
import time

from ..errors import BackupsError, UnknownOutcome
from ..models.audit_log import audit
from . import task_watch
from .claim import commit, pause
from .step import Change, Start, Work

log = logging.getLogger("puq_backups.operations")


def start_task(work: Work, owner: str, call: Start) -> bool:
    """Commit the intent and the audit, make the call with no transaction open, commit what came back."""
    operation = work.operation
    task_watch.forget(operation)
    at = time.time()
    operation.intent = {
        "type": call.type, "id": call.id, "marker": call.marker, "tolerate": call.tolerate,
        "node": call.node or work.node, "findable": call.findable, "at": at,
        "since": at + work.proxmox.clock_offset,
    }  # fmt: skip
    operation.progress = operation.reason = None
    audit(work.session, work.service.id, operation, call.type, call.audit)
    commit(work, owner)
    try:
        answer = call.call()
    except UnknownOutcome as error:
        log.warning("operation %s: %s", operation.id, error)
        # Proxmox may begin as late as we stopped listening: the time to settle counts from now.
        operation.intent = {**operation.intent, "at": time.time()}
        return pause(work, owner, min(2.0, work.context.settings.poll.total_seconds()))
    except BackupsError:
        operation.intent = None
        raise
    operation.upid = str(getattr(answer, "text", answer))
    return pause(work, owner, min(1.0, work.context.settings.poll.total_seconds()))


def change(work: Work, owner: str, wanted: Change) -> bool:
    """Commit the audit, make the call with no transaction open; the step is then run again and looks.

    A lost answer, or a worker that died, leaves nothing to find: the step waits until the call can no longer
    come, and compares.
    """
    audit(work.session, work.service.id, work.operation, work.operation.step, wanted.audit)
    commit(work, owner)
    try:
        wanted.call()
    except UnknownOutcome as error:
        log.warning("operation %s: %s", work.operation.id, error)
        return pause(work, owner, work.context.settings.settle.total_seconds())
    return pause(work, owner, 0)
