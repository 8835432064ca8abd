"""Power: off before Proxmox is to write over the VM, on at the end. Under HA a task only asks."""

from __future__ import annotations

import time
from typing import Any

from ..pve import vms
from .steps import unlocked
from .work import GiveUp, Hop, Outcome, Start, Wait, Work

REQUEST_TAKES = 120
"""Seconds within which HA does what it was asked for."""


def power_off(work: Work) -> Outcome:
    """Shut the VM down, stop it if it does not, and wait until Proxmox has released it."""
    status = vms.status(work.proxmox, work.node, work.vmid)
    work.service.vm_status, work.service.vm_lock = status.status, status.lock or ""
    if status.lock:
        unlocked({"lock": status.lock})
    if status.status == "stopped":
        return None
    limit = int(work.toolbox.settings.shutdown_timeout.total_seconds())
    data = work.operation.data
    if work.ended is not None:
        work.operation.keep(off_asked=time.time(), shutdown_ended=True)
    elif limit and not data.get("shutdown_ended"):
        # Without an end it was never sent, or never began: the guest has not had its chance yet.
        return _power(work, "qmshutdown", lambda: vms.shutdown(work.proxmox, work.node, work.vmid, timeout=limit))
    if status.ha_managed and _lately(work, "off_asked"):
        # Under HA a task only asks: what counts is the status seen.
        return Wait(work.toolbox.settings.poll.total_seconds())
    return _power(work, "qmstop", lambda: vms.stop(work.proxmox, work.node, work.vmid))


def _lately(work: Work, when: str) -> bool:
    return time.time() - float(work.operation.data.get(when) or 0) < REQUEST_TAKES


def _power(work: Work, kind: str, call: Any) -> Start:
    return Start(call=call, type=kind, id=str(work.vmid), audit=f"{kind} of VM {work.vmid}", tolerate=True)


def power_on(work: Work) -> Outcome:
    """Start the VM, after once more applying a package that changed meanwhile."""
    data = work.operation.data
    if not data.get("ending") and work.service.package != data["package"] and not data.get("applied_again"):
        work.operation.keep(package=work.service.package, applied_again=True)
        return Hop("set_cpu_and_memory")
    status = vms.status(work.proxmox, work.node, work.vmid)
    work.service.vm_status, work.service.vm_lock = status.status, status.lock or ""
    if status.status == "running":
        return None
    if work.ended is not None and work.ended.ok is False:
        raise GiveUp("The virtual machine would not start: {proxmox}", proxmox=work.ended.reason)
    if work.ended is not None:
        work.operation.keep(on_asked=time.time())
    if _lately(work, "on_asked"):
        return Wait(work.toolbox.settings.poll.total_seconds())
    if work.operation.data.get("on_asked"):
        raise GiveUp("The virtual machine was started, but it does not run.")
    return _power(work, "qmstart", lambda: vms.start(work.proxmox, work.node, work.vmid))
