"""The VM's HA entry: Proxmox destroys no VM that has one, so it is taken away before and given back after."""

from __future__ import annotations

from typing import Any

from ...errors import Message, ProxmoxRefused
from ...pve import ha, vms
from ..step import Change, GiveUp, Work

STARTING = {"started", "enabled"}


def kept_entry(work: Work) -> dict[str, Any] | None:
    """The VM's HA entry as it is; None where it has none."""
    return ha.entry(work.proxmox, work.vmid) if is_managed(work) else None


def is_managed(work: Work) -> bool:
    """Whether the VM, which must be there, has an HA entry."""
    return vms.status(work.proxmox, work.node, work.vmid).ha_managed


def _kept(work: Work) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (work.operation.data.get("made_again") or {}).get("ha")
    return found


def leave_ha(work: Work) -> Change | None:
    """Take the VM's HA entry away; it is kept with the operation."""
    if not _kept(work) or ha.entry(work.proxmox, work.vmid) is None:
        return None
    return Change(call=lambda: _leave(work), audit=f"take the HA entry of VM {work.vmid} away")


def _leave(work: Work) -> None:
    try:
        ha.remove(work.proxmox, work.vmid)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        text = "The virtual machine could not be taken out of high availability: {proxmox}"
        raise GiveUp(text, proxmox=str(error)) from error


def put_back_ha(work: Work) -> Change | None:
    """Give the VM its HA entry again, stopped: whoever starts the VM has HA start it."""
    entry = _kept(work)
    if not entry or work.operation.data.get("without_ha") or ha.entry(work.proxmox, work.vmid) is not None:
        return None
    stopped = {**entry, "state": "stopped"} if entry.get("state") in STARTING else entry
    return Change(call=lambda: _add(work, stopped), audit=f"give VM {work.vmid} its HA entry again")


def _add(work: Work, entry: dict[str, Any]) -> None:
    try:
        ha.add(work.proxmox, work.vmid, entry)
    except ProxmoxRefused as error:
        if error.retryable:
            raise
        # The VM is whole without it, and staff can give it the entry.
        work.operation.store(without_ha=True)
        text = "The virtual machine is no longer under high availability: {proxmox}"
        work.operation.add_warning(Message(text, proxmox=str(error)))
