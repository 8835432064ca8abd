"""Power: off before Proxmox is to write over the VM, on at the end. Under HA a task only asks."""

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
"""Seconds within which HA does what it was asked for."""
POWER_OFF_SECONDS = 600
"""Seconds, after the guest's own time to shut down, within which a VM has to be off."""

STARTED = N_(
    "The virtual machine was started by somebody else before all was set; some settings may take effect only after "
    "its next stop and start."
)


def power_off(step: StepContext) -> Outcome:
    """Shut the VM down, stop it if it does not, and wait until Proxmox has released it."""
    status = refresh_status(step)
    if status.lock:
        require_unlocked({"lock": status.lock})
    if status.status == "stopped":
        return None
    limit = int(step.context.settings.shutdown_timeout.total_seconds())
    data = step.operation.data
    if time.time() - float(data.get("off_since") or time.time()) > limit + POWER_OFF_SECONDS:
        raise GiveUp("The virtual machine could not be powered off: {proxmox}", proxmox=_power_off_error(step))
    step.operation.store(off_since=data.get("off_since") or time.time())
    if step.task_result is not None:
        step.operation.store(off_asked=time.time(), off_said=_power_off_error(step), shutdown_ended=True)
        if not step.task_result.ok and data.get("shutdown_ended"):
            # A stop that failed may fail again at once; its reason is told when the time is over.
            return Wait(5 * step.context.settings.poll.total_seconds())
    elif limit and not data.get("shutdown_ended"):
        # Without an end it was never sent, or never began: the guest has not had its chance yet.
        return _power(step, "qmshutdown", lambda: _shutdown(step, limit))
    if status.ha_managed and _requested_recently(step, "off_asked"):
        # Under HA a task only asks: what counts is the status seen.
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
    """What the last task that was to power it off ended with."""
    if step.task_result is not None and not step.task_result.ok:
        return step.task_result.reason
    return str(step.operation.data.get("off_said") or "it still runs")


def _requested_recently(step: StepContext, when: str) -> bool:
    return time.time() - float(step.operation.data.get(when) or 0) < HA_REQUEST_SECONDS


def _power(step: StepContext, kind: str, call: Callable[[], Any]) -> Start:
    return Start(call=call, type=kind, id=str(step.vmid), audit=f"{kind} of VM {step.vmid}", tolerate=True)


def power_on(step: StepContext) -> Outcome:
    """Start the VM, after once more applying a package that changed meanwhile.

    On the way back from something that failed before the disks were touched it is started only if it ran before.
    """
    data = step.operation.data
    if data.get("ending") and not data.get("was_running"):
        return None
    if not data.get("ending") and step.service.package != data["package"] and not data.get("applied_again"):
        step.operation.store(package=step.service.package, applied_again=True)
        return GoTo("set_cpu_and_memory")
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
    # Whatever becomes of the answer: a VM that runs from here on may well run by our own call.
    step.operation.store(on_sent=True)
    return _power(step, "qmstart", lambda: vms.start(step.proxmox, step.node, step.vmid))
