"""What trouble in a step means: look again later, look elsewhere, go back, or the end of the operation."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from ..errors import BackupsError, Message, NotStarted, ProxmoxError, Refused, VmMissing
from ..pve import vms
from .step import GiveUp, Hop, LookAgain, Wait, Work

log = logging.getLogger("puq_backups.operations")

FAULTS_ALLOWED = 5
LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class End:
    """The operation ends in this state, for this reason."""

    state: str
    reason: Message | None


Verdict = Wait | Hop | End


def judge(work: Work, error: Exception) -> Verdict:
    """What to do after a step, or the look before it, raised `error`."""
    if isinstance(error, LookAgain):
        return Wait(0)
    if isinstance(error, (VmMissing, NotStarted)):
        trouble = _elsewhere(work, error)
        if trouble is None:
            return Wait(0, work.operation.why)
        error = trouble
    if isinstance(error, ProxmoxError) and (passes(error) or _unseen(work)):
        return _again(work, error)
    if isinstance(error, GiveUp):
        return give_up(work, error.state, error.message, error.after)
    if isinstance(error, BackupsError):
        return give_up(work, "refused" if isinstance(error, Refused) else "failed", error.message)
    return _fault(work, error)


def passes(error: ProxmoxError) -> bool:
    """Whether it may go otherwise when asked again, later or on another node."""
    return error.retryable or isinstance(error, (VmMissing, NotStarted))


def give_up(work: Work, state: str, reason: Message, after: str | None = None) -> Hop | End:
    """The end, after going back where there is something to undo.

    `undo` among the operation's data names the step that sets right what was done before the disks were touched.
    """
    operation = work.operation
    if first := Message.from_json(operation.data.get("ending")):
        # What was to set things right failed too; the client is told both.
        operation.add_warning(reason)
        return End(operation.data["ending_state"], first)
    back = after or (None if operation.data.get("touched") else operation.data.get("undo"))
    if not back:
        return End(state, reason)
    operation.store(ending=reason.to_json(), ending_state=state, troubled_since=None, tries=0, faults=0)
    return Hop(back)


def _unseen(work: Work) -> bool:
    """Whether a task of ours may run whose end was not seen, as with a token that was revoked meanwhile."""
    return bool(work.operation.upid or work.operation.intent) and work.ended is None


def _elsewhere(work: Work, error: ProxmoxError) -> BackupsError | None:
    """The VM is not where it was: None where it was found and is followed, else what to judge instead.

    While the cluster still names the old node its word may lag behind: the error stands, and is waited on.
    """
    try:
        node = vms.find_node(work.proxmox, work.vmid)
    except ProxmoxError as trouble:
        return trouble
    if not node:
        return GiveUp("The virtual machine {vmid} is no longer there.", vmid=work.vmid)
    if node == work.node:
        return error
    work.service.node = work.operation.node = node
    return None


def _again(work: Work, error: ProxmoxError) -> Verdict:
    """Busy or unreachable: come back with growing pauses. Once something was changed it is never given up: past its
    deadline the operation is stuck, and staff is told.
    """
    operation = work.operation
    since = float(operation.data.get("troubled_since") or time.time())
    patience = work.context.settings.busy_patience.total_seconds()
    idle = not operation.upid and not operation.intent
    if idle and not operation.data.get("touched") and time.time() - since > patience:
        return give_up(work, "failed", error.message)
    tries = int(operation.data.get("tries") or 0)
    operation.store(troubled_since=since, tries=tries + 1)
    pause = min(work.context.settings.poll.total_seconds() * 2 ** min(tries, 6), LONGEST_PAUSE)
    return Wait(pause, error.message)


def _fault(work: Work, error: Exception) -> Verdict:
    """A fault of ours: kept from looping, told to staff, and no lock is freed under a task that may run."""
    operation = work.operation
    log.error("operation %s, step %s: a fault of puq-backups", operation.id, operation.step, exc_info=error)
    work.session.rollback()
    work.session.refresh(operation)
    faults = int(operation.data.get("faults") or 0) + 1
    operation.store(faults=faults)
    reason = Message("Something went wrong on our side; the provider's staff can see it in the log.")
    if faults >= FAULTS_ALLOWED and not operation.upid and not operation.intent:
        return give_up(work, "failed", reason)
    return Wait(LONGEST_PAUSE, reason)
