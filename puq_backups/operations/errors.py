"""Error handling of steps: retry later, follow a moved VM, undo, or end the operation."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from ..errors import BackupsError, Message, NotStarted, ProxmoxError, Refused, VmMissing
from ..mail import trouble
from ..models.conflicts import is_conflict
from ..pve import vms
from .step import GiveUp, GoTo, RepeatStep, StepContext, Wait

MAX_FAULTS = 5
MAX_CONFLICTS = 60
"""Deadlocks and lost connections after which an operation fails; they pass by themselves."""
MAX_PAUSE_SECONDS = 60.0
TOLD_AFTER_SECONDS = 180.0
"""Time after which staff are told what holds an operation up. With the longest pause that is within 5 minutes."""
CONFLICT_PAUSE_SECONDS = 10.0


@dataclass(frozen=True)
class End:
    """End the operation in this state, for this reason."""

    state: str
    reason: Message | None


CANNOT_FAIL = {("backup", "drop_surplus")}
"""Steps by kind of operation, after which the operation has done what was asked: trouble in them is a warning."""

Decision = Wait | GoTo | End


def decide(step: StepContext, error: BackupsError) -> Decision:
    """Decide what to do after a step, or the check of its task, raised `error`. Others go to `count_fault`."""
    if isinstance(error, RepeatStep):
        return Wait(0)
    if isinstance(error, (VmMissing, NotStarted)):
        left = _follow_vm(step, error)
        if left is None:
            return Wait(0, step.operation.why)
        error = left
    if isinstance(error, ProxmoxError) and (may_succeed_later(error) or _task_may_run(step)):
        return _retry_later(step, error)
    if isinstance(error, GiveUp):
        return undo_or_end(step, error.state, error.message, error.after)
    return undo_or_end(step, "refused" if isinstance(error, Refused) else "failed", error.message)


def may_succeed_later(error: ProxmoxError) -> bool:
    """Whether the same call may succeed later or on another node."""
    return error.retryable or isinstance(error, (VmMissing, NotStarted))


def undo_or_end(step: StepContext, state: str, reason: Message, after: str | None = None) -> GoTo | End:
    """End the operation; first go to the undo step if there is something to undo.

    `data["undo"]` names the first of the steps that revert what was changed before the disks were touched.
    """
    operation = step.operation
    if (operation.kind, operation.step) in CANNOT_FAIL:
        operation.add_warning(reason)
        operation.store(not_removed=reason.to_json())
        return End("done", None)
    if first := Message.from_json(operation.data.get("ending")):
        # The undo failed as well: both reasons are shown to the client.
        operation.add_warning(reason)
        return End(operation.data["ending_state"], first)
    back = after or (None if operation.data.get("touched") else operation.data.get("undo"))
    if not back:
        return End(state, reason)
    operation.store(ending=reason.to_json(), ending_state=state, troubled_since=None, tries=0, faults=0)
    return GoTo(back)


def _task_may_run(step: StepContext) -> bool:
    """Whether one of our tasks may still run, for example because the token was revoked while it ran."""
    return bool(step.operation.upid or step.operation.intent) and step.task_result is None


def _follow_vm(step: StepContext, error: ProxmoxError) -> BackupsError | None:
    """Look for a VM that is not on its node. Returns None if it was found on another one, else the error to handle.

    The cluster's list lags by some seconds: while it still names the old node, the original error is returned and the
    step is retried.
    """
    try:
        node = vms.find_node(step.proxmox, step.vmid)
    except ProxmoxError as second:
        return second
    if not node:
        return GiveUp("The virtual machine {vmid} is no longer there.", vmid=step.vmid)
    if node == step.node:
        return error
    step.service.node = step.operation.node = node
    return None


def _retry_later(step: StepContext, error: ProxmoxError) -> Decision:
    """Retry with growing pauses while Proxmox is busy or unreachable.

    Fails after `PUQ_BACKUPS_BUSY_PATIENCE` if no task runs and the disks were not touched. Otherwise it never gives
    up: past its deadline the operation becomes stuck and staff are mailed.
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


def forget_trouble(step: StepContext) -> None:
    """Forget since when something holds the operation up, and tell staff that it is over if they were told of it."""
    if step.operation.data.get("told"):
        trouble.over_for_service(step.session, step.context, step.service, ("operation",))
    step.operation.store(troubled_since=None, tries=0, faults=0, told=None)


def forget_trouble_of_task(step: StepContext) -> None:
    """The task was seen running: what went wrong since its start is over.

    What went wrong before is not: a call whose task ends for a lock each time would be repeated without end.
    """
    operation = step.operation
    since, started = operation.data.get("troubled_since"), (operation.intent or {}).get("at", 0)
    if float(since) >= float(started) if since else operation.data.get("faults"):
        operation.reason = None
        forget_trouble(step)


def is_lasting(step: StepContext) -> bool:
    """Whether the operation has been held up for so long that staff are told."""
    since = step.operation.data.get("troubled_since")
    return since is not None and time.time() - float(since) > TOLD_AFTER_SECONDS


def count_fault(step: StepContext, error: Exception) -> Decision:
    """Handle an unexpected exception: retry within a minute, fail after MAX_FAULTS unless a task may run.

    `step` must have a session of its own. A deadlock or a lost connection is retried sooner and more often.
    """
    operation = step.operation
    passing = isinstance(error, SQLAlchemyError) and is_conflict(error)
    faults = int(operation.data.get("faults") or 0) + 1
    operation.store(faults=faults)
    reason = Message("Something went wrong on our side; the provider's staff can see it in the log.")
    if faults >= (MAX_CONFLICTS if passing else MAX_FAULTS) and not operation.upid and not operation.intent:
        return undo_or_end(step, "failed", reason)
    return Wait(CONFLICT_PAUSE_SECONDS if passing else MAX_PAUSE_SECONDS, reason)
