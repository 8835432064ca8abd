"""Powers the VM off before a restore and on at its end. Under HA a task only requests the change."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...i18n.translator import N_
from ...pve import vms
from ..errors import may_succeed_later
from ..step import GiveUp, GoTo, Outcome, RepeatStep, Start, StepContext, Wait
from .common import refresh_status, require_unlocked

HA_REQUEST_SECONDS = 120
"""Seconds allowed for HA to act on a request."""
POWER_OFF_SECONDS = 600
"""Seconds allowed for the VM to be off, after `PUQ_BACKUPS_SHUTDOWN_TIMEOUT`."""
MOST_POWER_OFFS = 5
"""How often a VM that somebody starts again is powered off by one operation."""

STARTED = N_(
    "The server was started by somebody else before all was set; some settings may take effect only after "
    "its next stop and start."
)
STARTED_AGAIN = N_("The virtual machine was started again each time it was powered off.")


def power_off(step: StepContext) -> Outcome:
    """Shut the VM down, stop it after the time limit, and wait until it is stopped and not locked."""
    status = refresh_status(step)
    if status.lock:
        require_unlocked({"lock": status.lock})
    if status.status == "stopped":
        # Somebody may start the VM hours later, before its disks are restored: it then gets the whole time again.
        step.operation.store(off_since=None, off_asked=None, off_said=None, shutdown_ended=None)
        return None
    limit = int(step.context.settings.shutdown_timeout.total_seconds())
    data = step.operation.data
    if time.time() - float(data.get("off_since") or time.time()) > limit + POWER_OFF_SECONDS:
        raise GiveUp("The virtual machine could not be powered off: {proxmox}", proxmox=_power_off_error(step))
    if not data.get("off_since"):
        times = data.get("power_offs", 0)
        if times == MOST_POWER_OFFS:
            raise GiveUp(STARTED_AGAIN)
        step.operation.store(off_since=time.time(), power_offs=times + 1)
    if step.task_result is not None:
        step.operation.store(off_asked=time.time(), off_said=_power_off_error(step), shutdown_ended=True)
        if not step.task_result.ok and data.get("shutdown_ended"):
            # A failed stop may fail again at once; its reason is reported when the time is over.
            return Wait(5 * step.context.settings.poll.total_seconds())
    elif limit and not data.get("shutdown_ended"):
        # No shutdown task has ended, so none was started and the guest must get its time.
        return _power(step, "qmshutdown", lambda: _shutdown(step, limit))
    if status.ha_managed and _requested_recently(step, "off_asked"):
        # Under HA the task only requests the stop; only the VM's status counts.
        return Wait(step.context.settings.poll.total_seconds())
    return _power(step, "qmstop", lambda: vms.stop(step.proxmox, step.node, step.vmid))


def _shutdown(step: StepContext, limit: int) -> Any:
    try:
        return vms.shutdown(step.proxmox, step.node, step.vmid, timeout=limit)
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        # A paused guest cannot shut down.
        step.operation.store(shutdown_ended=True, off_said=str(error))
        raise RepeatStep from error


def _power_off_error(step: StepContext) -> str:
    """The error of the last task that should have powered the VM off."""
    if step.task_result is not None and not step.task_result.ok:
        return step.task_result.reason
    return str(step.operation.data.get("off_said") or "it still runs")


def _requested_recently(step: StepContext, when: str) -> bool:
    return time.time() - float(step.operation.data.get(when) or 0) < HA_REQUEST_SECONDS


def _power(step: StepContext, kind: str, call: Callable[[], Any]) -> Start:
    return Start(call=call, type=kind, id=str(step.vmid), audit=f"{kind} of VM {step.vmid}", tolerate=True)


def power_on(step: StepContext) -> Outcome:
    """Start the VM. If the package changed since the start of the operation, apply it once more before.

    After an undo (nothing was touched) the VM is started only if it was running before.
    """
    data = step.operation.data
    if data.get("ending") and not data.get("was_running"):
        return None
    if not data.get("ending") and step.service.package != data["package"] and not data.get("applied_again"):
        step.operation.store(package=step.service.package, applied_again=True)
        return GoTo("set_cpu_and_memory")
    # From here on a failure concerns the start alone: the disks hold the backup.
    step.operation.store(restored=step.operation.kind == "restore" and not data.get("ending"))
    status = refresh_status(step)
    if status.status == "running":
        if not data.get("ending") and not data.get("on_sent"):
            step.operation.add_warning(Message(STARTED))
        return None
    if step.task_result is not None and step.task_result.ok is False:
        raise GiveUp("The virtual machine would not start: {proxmox}", proxmox=step.task_result.reason)
    if step.task_result is not None:
        step.operation.store(on_asked=time.time())
    if _requested_recently(step, "on_asked"):
        return Wait(step.context.settings.poll.total_seconds())
    if step.operation.data.get("on_asked"):
        raise GiveUp("The virtual machine was started, but it does not run.")
    # Set before the call: if its answer is lost, a running VM may have been started by it.
    step.operation.store(on_sent=True)
    return _power(step, "qmstart", lambda: vms.start(step.proxmox, step.node, step.vmid))
