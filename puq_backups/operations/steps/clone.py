"""Destroys the VM and clones the template into its VMID. Only the service's own VM is destroyed or taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import NotStarted, ProxmoxBusy, ProxmoxRefused, VmMissing
from ...pve import notes, vms
from ...rules.package import Package
from ..errors import may_succeed_later
from ..step import GiveUp, GoTo, Outcome, RepeatStep, Start, StepContext, Wait
from .common import find_config, identity_mismatch, require_unlocked
from .preconditions import find_template

TAKEN = "config file already exists"


def destroy_vm(step: StepContext) -> Outcome:
    """Destroy the VM with its disks; its backups stay. A VM that no longer exists is treated as destroyed."""
    config = find_config(step)
    if config is None:
        step.operation.store(gone=True, touched=True)
        return None
    if vms.identity(config) != step.operation.data["identity"]:
        raise identity_mismatch(step, state="failed")
    require_unlocked(config)
    if vms.status(step.proxmox, step.node, step.vmid).status != "stopped":
        return GoTo("power_off")
    if step.task_result is not None and step.task_result.ok is False:
        raise _still_there(step, step.task_result.reason)
    step.operation.store(touched=True)
    return Start(
        call=lambda: _send_destroy(step),
        type="qmdestroy",
        id=str(step.vmid),
        audit=f"destroy VM {step.vmid} to make it again from template {step.operation.data['template']}",
        tolerate=True,
    )


def _send_destroy(step: StepContext) -> Any:
    try:
        return vms.destroy(step.proxmox, step.node, step.vmid)
    except ProxmoxRefused as error:
        step.operation.store(touched=False)
        if isinstance(error, VmMissing) or "is running" in str(error):
            # Somebody started, moved or destroyed it after the check.
            raise RepeatStep from error
        if may_succeed_later(error):
            raise
        raise _still_there(step, str(error)) from error


def _still_there(step: StepContext, reason: str) -> GiveUp:
    step.operation.store(touched=False)
    return GiveUp("The virtual machine could not be removed: {proxmox}", proxmox=reason)


def clone_template(step: StepContext) -> Outcome:
    """Create the VM as a full clone of the template.

    A clone task carries the template's VMID, so it cannot be told from another service's. The marker in the
    description of the new VM identifies it. A VM without the marker was created by somebody else and is left alone.
    """
    if step.task_result is not None and step.task_result.ok is False and TAKEN not in step.task_result.reason:
        raise _not_copied(step.task_result.reason)
    node = vms.find_node(step.proxmox, step.vmid)
    if node is None:
        return _clone(step)
    config = vms.config(step.proxmox, node, step.vmid)
    if config.get("lock") == "clone" and step.operation.data.get("cloning"):
        return Wait(step.context.settings.poll.total_seconds())
    if _marker(step) not in str(config.get("description") or ""):
        raise identity_mismatch(step, state="failed")
    step.service.node = step.operation.node = node
    step.service.vm_identity = vms.identity(config)
    step.operation.store(gone=False)
    return None


def _marker(step: StepContext) -> str:
    return notes.marker(step.service.token, step.operation.token)


def _clone(step: StepContext) -> Start:
    data = step.operation.data
    template, node = find_template(step, Package.from_json(data["package"]), state="failed")
    step.operation.store(cloning=True)
    return Start(
        call=lambda: _send_clone(step, template, node),
        type="qmclone",
        id=str(template),
        node=node,
        findable=False,
        audit=f"clone template {template} to VM {step.vmid}",
        tolerate=True,
    )


def _send_clone(step: StepContext, template: int, node: str) -> Any:
    data: Mapping[str, Any] = step.operation.data
    try:
        return vms.clone(
            step.proxmox, node, template, step.vmid, name=data["before"].get("name"), storage=data["target"],
            pool=data["made_again"]["pool"], target=None if node == step.node else step.node,
            description=_marker(step),
        )  # fmt: skip
    except (VmMissing, NotStarted) as error:
        # The template was moved: look for it again.
        raise ProxmoxBusy(str(error)) from error
    except ProxmoxRefused as error:
        if error.retryable or TAKEN in str(error):
            # Another VM, or our own late clone: the next run of the step finds out.
            raise ProxmoxBusy(str(error)) from error
        raise _not_copied(str(error)) from error


def _not_copied(reason: str) -> GiveUp:
    return GiveUp("The template could not be copied: {proxmox}", proxmox=reason)
