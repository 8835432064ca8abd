"""What trouble in a step means: look again later, look elsewhere, go back, or the end of the operation."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from ..errors import BackupsError, Message, NotStarted, ProxmoxError, Refused, VmMissing
from ..pve import vms
from .step import GiveUp, GoTo, RepeatStep, StepContext, Wait

log = logging.getLogger("puq_backups.operations")

MAX_FAULTS = 5
MAX_PAUSE_SECONDS = 60.0


@dataclass(frozen=True)
class End:
    """The operation ends in this state, for this reason."""

    state: str
    reason: Message | None


Decision = Wait | GoTo | End


def decide(step: StepContext, error: Exception) -> Decision:
    """What to do after a step, or the look before it, raised `error`."""
    if isinstance(error, RepeatStep):
        return Wait(0)
    if isinstance(error, (VmMissing, NotStarted)):
        trouble = _follow_vm(step, error)
        if trouble is None:
            return Wait(0, step.operation.why)
        error = trouble
    if isinstance(error, ProxmoxError) and (may_succeed_later(error) or _task_may_run(step)):
        return _retry_later(step, error)
    if isinstance(error, GiveUp):
        return undo_or_end(step, error.state, error.message, error.after)
    if isinstance(error, BackupsError):
        return undo_or_end(step, "refused" if isinstance(error, Refused) else "failed", error.message)
    return _count_fault(step, error)


def may_succeed_later(error: ProxmoxError) -> bool:
    """Whether it may go otherwise when asked again, later or on another node."""
    return error.retryable or isinstance(error, (VmMissing, NotStarted))


def undo_or_end(step: StepContext, state: str, reason: Message, after: str | None = None) -> GoTo | End:
    """The end, after going back where there is something to undo.

    `undo` among the operation's data names the step that sets right what was done before the disks were touched.
    """
    operation = step.operation
    if first := Message.from_json(operation.data.get("ending")):
        # What was to set things right failed too; the client is told both.
        operation.add_warning(reason)
        return End(operation.data["ending_state"], first)
    back = after or (None if operation.data.get("touched") else operation.data.get("undo"))
    if not back:
        return End(state, reason)
    operation.store(ending=reason.to_json(), ending_state=state, troubled_since=None, tries=0, faults=0)
    return GoTo(back)


def _task_may_run(step: StepContext) -> bool:
    """Whether a task of ours may run whose end was not seen, as with a token that was revoked meanwhile."""
    return bool(step.operation.upid or step.operation.intent) and step.task_result is None


def _follow_vm(step: StepContext, error: ProxmoxError) -> BackupsError | None:
    """The VM is not where it was: None where it was found and is followed, else what to decide instead.

    While the cluster still names the old node its word may lag behind: the error stands, and is waited on.
    """
    try:
        node = vms.find_node(step.proxmox, step.vmid)
    except ProxmoxError as trouble:
        return trouble
    if not node:
        return GiveUp("The virtual machine {vmid} is no longer there.", vmid=step.vmid)
    if node == step.node:
        return error
    step.service.node = step.operation.node = node
    return None


def _retry_later(step: StepContext, error: ProxmoxError) -> Decision:
    """Busy or unreachable: come back with growing pauses. Once something was changed it is never given up: past its
    deadline the operation is stuck, and staff is told.
    """
    operation = step.operation
    since = float(operation.data.get("troubled_since") or time.time())
    patience = step.context.settings.busy_patience.total_seconds()
    idle = not operation.upid and not operation.intent
    if idle and not operation.data.get("touched") and time.time() - since > patience:
        return undo_or_end(step, "failed", error.message)
    tries = int(operation.data.get("tries") or 0)
    operation.store(troubled_since=since, tries=tries + 1)
    pause = min(step.context.settings.poll.total_seconds() * 2 ** min(tries, 6), MAX_PAUSE_SECONDS)
    return Wait(pause, error.message)


def _count_fault(step: StepContext, error: Exception) -> Decision:
    """A fault of ours: kept from looping, told to staff, and no lock is freed under a task that may run."""
    operation = step.operation
    log.error("operation %s, step %s: a fault of puq-backups", operation.id, operation.step, exc_info=error)
    step.session.rollback()
    step.session.refresh(operation)
    faults = int(operation.data.get("faults") or 0) + 1
    operation.store(faults=faults)
    reason = Message("Something went wrong on our side; the provider's staff can see it in the log.")
    if faults >= MAX_FAULTS and not operation.upid and not operation.intent:
        return undo_or_end(step, "failed", reason)
    return Wait(MAX_PAUSE_SECONDS, reason)
