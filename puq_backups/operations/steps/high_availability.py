"""Removes the VM's HA entry before it is destroyed, and adds it again. Proxmox destroys no VM that has one."""

from __future__ import annotations

from typing import Any

from ...errors import Message, ProxmoxRefused
from ...i18n.translator import N_
from ...pve import ha, vms
from ..step import Change, GiveUp, StepContext

STARTING = {"started", "enabled"}


def read_ha_entry(step: StepContext) -> dict[str, Any] | None:
    """The VM's HA entry, or None."""
    return ha.entry(step.proxmox, step.vmid) if is_managed(step) else None


def is_managed(step: StepContext) -> bool:
    """Whether the VM has an HA entry. The VM must exist."""
    return vms.status(step.proxmox, step.node, step.vmid).ha_managed


def _kept(step: StepContext) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (step.operation.data.get("made_again") or {}).get("ha")
    return found


def remove_from_ha(step: StepContext) -> Change | None:
    """Remove the VM's HA entry. It is stored with the operation."""
    if not _kept(step) or ha.entry(step.proxmox, step.vmid) is None:
        return None
    return Change(call=lambda: _leave(step), audit=f"remove the HA entry of VM {step.vmid}")


def _leave(step: StepContext) -> None:
    try:
        ha.remove(step.proxmox, step.vmid)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        text = N_("The virtual machine could not be taken out of high availability: {proxmox}")
        raise GiveUp(text, proxmox=str(error)) from error


def put_back_ha(step: StepContext) -> Change | None:
    """Add the VM's HA entry again in state `stopped`; starting the VM sets it to `started`."""
    entry = _kept(step)
    if not entry or step.operation.data.get("without_ha") or ha.entry(step.proxmox, step.vmid) is not None:
        return None
    stopped = {**entry, "state": "stopped"} if entry.get("state") in STARTING else entry
    return Change(call=lambda: _add(step, stopped), audit=f"add the HA entry of VM {step.vmid}")


def _add(step: StepContext, entry: dict[str, Any]) -> None:
    try:
        ha.add(step.proxmox, step.vmid, entry)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        # The VM runs without it, and staff can add the entry.
        step.operation.store(without_ha=True)
        text = N_("The server is no longer under high availability: {proxmox}")
        step.operation.add_warning(Message(text, proxmox=str(error)))
