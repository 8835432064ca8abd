"""Power: off before Proxmox is to write over the VM, on at the end. Under HA a task only asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...i18n.translator import N_
from ...pve import vms
from ..errors import passes
from ..step import GiveUp, Hop, LookAgain, Outcome, Start, Wait, Work
from .common import look, unlocked

REQUEST_TAKES = 120
"""Seconds within which HA does what it was asked for."""
OFF_WITHIN = 600
"""Seconds, after the guest's own time to shut down, within which a VM has to be off."""

STARTED = N_(
    "The virtual machine was started by somebody else before all was set; some settings may take effect only after "
    "its next stop and start."
)


def power_off(work: Work) -> Outcome:
    """Shut the VM down, stop it if it does not, and wait until Proxmox has released it."""
    status = look(work)
    if status.lock:
        unlocked({"lock": status.lock})
    if status.status == "stopped":
        return None
    limit = int(work.context.settings.shutdown_timeout.total_seconds())
    data = work.operation.data
    if time.time() - float(data.get("off_since") or time.time()) > limit + OFF_WITHIN:
        raise GiveUp("The virtual machine could not be powered off: {proxmox}", proxmox=_said(work))
    work.operation.store(off_since=data.get("off_since") or time.time())
    if work.ended is not None:
        work.operation.store(off_asked=time.time(), off_said=_said(work), shutdown_ended=True)
        if not work.ended.ok and data.get("shutdown_ended"):
            # A stop that failed may fail again at once; its reason is told when the time is over.
            return Wait(5 * work.context.settings.poll.total_seconds())
    elif limit and not data.get("shutdown_ended"):
        # Without an end it was never sent, or never began: the guest has not had its chance yet.
        return _power(work, "qmshutdown", lambda: _shutdown(work, limit))
    if status.ha_managed and _lately(work, "off_asked"):
        # Under HA a task only asks: what counts is the status seen.
        return Wait(work.context.settings.poll.total_seconds())
    return _power(work, "qmstop", lambda: vms.stop(work.proxmox, work.node, work.vmid))


def _shutdown(work: Work, limit: int) -> Any:
    try:
        return vms.shutdown(work.proxmox, work.node, work.vmid, timeout=limit)
    except ProxmoxRefused as error:
        if passes(error):
            raise
        # A paused guest cannot shut down.
        work.operation.store(shutdown_ended=True, off_said=str(error))
        raise LookAgain from error


def _said(work: Work) -> str:
    """What the last task that was to power it off ended with."""
    if work.ended is not None and not work.ended.ok:
        return work.ended.reason
    return str(work.operation.data.get("off_said") or "it still runs")


def _lately(work: Work, when: str) -> bool:
    return time.time() - float(work.operation.data.get(when) or 0) < REQUEST_TAKES


def _power(work: Work, kind: str, call: Callable[[], Any]) -> Start:
    return Start(call=call, type=kind, id=str(work.vmid), audit=f"{kind} of VM {work.vmid}", tolerate=True)


def power_on(work: Work) -> Outcome:
    """Start the VM, after once more applying a package that changed meanwhile.

    On the way back from something that failed before the disks were touched it is started only if it ran before.
    """
    data = work.operation.data
    if data.get("ending") and not data.get("was_running"):
        return None
    if not data.get("ending") and work.service.package != data["package"] and not data.get("applied_again"):
        work.operation.store(package=work.service.package, applied_again=True)
        return Hop("set_cpu_and_memory")
    status = look(work)
    if status.status == "running":
        if not data.get("ending") and not data.get("on_sent"):
            work.operation.add_warning(Message(STARTED))
        return None
    if work.ended is not None and work.ended.ok is False:
        raise GiveUp("The virtual machine would not start: {proxmox}", proxmox=work.ended.reason)
    if work.ended is not None:
        work.operation.store(on_asked=time.time())
    if _lately(work, "on_asked"):
        return Wait(work.context.settings.poll.total_seconds())
    if work.operation.data.get("on_asked"):
        raise GiveUp("The virtual machine was started, but it does not run.")
    # Whatever becomes of the answer: a VM that runs from here on may well run by our own call.
    work.operation.store(on_sent=True)
    return _power(work, "qmstart", lambda: vms.start(work.proxmox, work.node, work.vmid))
