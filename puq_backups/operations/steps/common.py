"""Helpers shared by the steps of several operations."""

from __future__ import annotations

from functools import wraps
from typing import Any

from sqlalchemy import select

from ...errors import Message, ProxmoxBusy, ProxmoxError, StorageMissing
from ...models import Backup, Operation, Service, now
from ...pve import archives, vms
from ..step import GiveUp, Outcome, Start, Step, StepContext

FORBIDDEN = Message("The provider's rules forbid it.")


def check_identity(step: StepContext) -> dict[str, Any]:
    """Read the VM's config and check that it is the registered VM; raises GiveUp if another VM has its VMID."""
    config = vms.config(step.proxmox, step.node, step.vmid)
    identity = vms.identity(config)
    if step.service.vm_identity and identity != step.service.vm_identity:
        raise identity_mismatch(step)
    step.service.vm_identity = step.service.vm_identity or identity
    step.service.vm_name = str(config.get("name") or f"VM {step.vmid}")
    _store_lock(step.service, str(config.get("lock") or ""))
    return config


def own_config(step: StepContext) -> dict[str, Any]:
    """Read the config of the VM that the operation works on. Raises ProxmoxBusy if it is locked, GiveUp if somebody
    else made another VM with its VMID meanwhile. Their uuids are compared: a MAC is set by operations, too.
    """
    config = vms.config(step.proxmox, step.node, step.vmid)
    if _is_another(config, {step.service.vm_identity}):
        raise identity_mismatch(step, state="failed")
    require_unlocked(config)
    return config


def require_restored(step: StepContext, config: dict[str, Any]) -> None:
    """Raise GiveUp if a VM after a restore is neither the one before it nor the one in the backup.

    The restore's end is seen some time after it. Somebody may have replaced the VM in between.
    """
    data = step.operation.data
    known = {step.service.vm_identity, data.get("preflight", {}).get("identity", "")}
    if _is_another(config, known) and _mac(config) != _mac(data["before"]):
        raise identity_mismatch(step, state="failed")


def _is_another(config: dict[str, Any], known: set[str]) -> bool:
    """Whether a VM has a uuid, and it is none of the `known` identities, which are uuids all."""
    identity = vms.identity(config)
    return all(one.startswith(vms.UUID) for one in {*known, identity}) and identity not in known


def refresh_status(step: StepContext) -> vms.VmStatus:
    """Read the VM's status and store it on the service, for the page and for `lock_reason`."""
    status = vms.status(step.proxmox, step.node, step.vmid)
    step.service.vm_status = status.status
    _store_lock(step.service, status.lock or "")
    return status


def _store_lock(service: Service, lock: str) -> None:
    # When it was seen is asked of a lock only; without one the row stays as it is.
    if lock or service.vm_lock:
        service.vm_lock, service.vm_seen_at = lock, now()


def identity_mismatch(step: StepContext, *, state: str = "refused") -> GiveUp:
    """Mark the service for staff because another VM has its VMID. Returns the GiveUp to raise."""
    trouble = Message(
        "The virtual machine {vmid} is not the one that was registered. The provider has to look at it.",
        vmid=step.vmid,
    )
    step.service.problem = trouble.to_json()
    # The undo steps must not run on a VM that is not the service's.
    step.operation.store(undo=None)
    return GiveUp(trouble.text, state=state, **trouble.values)


def find_config(step: StepContext) -> dict[str, Any] | None:
    """The VM's config, or None if it is nowhere in the cluster."""
    return vms.config_if_any(step.proxmox, step.node, step.vmid)


def config_after_failure(step: StepContext, before: dict[str, Any]) -> dict[str, Any] | None:
    """The config of what a failed restore or reinstallation left of the VM; None: no VM is left.

    `before` is the VM's config from before the failure. A half-finished VM has no identity, or the MAC that was sent
    with the restore: from then on it is the service's. Raises GiveUp if another VM has the VMID.
    """
    config = find_config(step)
    identity, mac = vms.identity(config or {}), _mac(config or {})
    if identity not in {"", step.service.vm_identity} and (not mac or mac != _mac(before)):
        raise identity_mismatch(step)
    if identity.startswith(vms.UUID):
        step.service.vm_identity = identity
    return config


def _mac(config: dict[str, Any]) -> str:
    return (vms.parse_net(str(config.get("net0") or "")).mac or "").upper()


def skip_if(flag: str, function: Step) -> Step:
    """Wrap a step function so that it is skipped while `data[flag]` of the operation is true."""

    @wraps(function)
    def skipped(step: StepContext) -> Outcome:
        return None if step.operation.data.get(flag) else function(step)

    return skipped


def require_unlocked(config: dict[str, Any]) -> None:
    """Raise ProxmoxBusy if the config shows a lock of Proxmox."""
    if config.get("lock"):
        raise ProxmoxBusy(f"VM is locked ({config['lock']})")


def require_storage_online(step: StepContext, name: str) -> archives.StorageStatus:
    """The storage's status on the VM's node; raises GiveUp if it is offline."""
    seen = archives.storage_status(step.proxmox, step.node, name)
    if not seen.active:
        raise GiveUp("The storage {storage} is offline.", storage=name)
    return seen


def volume_is_gone(step: StepContext, backup: Backup) -> bool:
    """Whether the volume no longer exists. An inactive storage proves nothing: an unmounted directory looks empty."""
    node, seen = archives.readable_from(step.proxmox, backup.node or step.node, backup.storage)
    if not seen.active:
        return False
    return archives.find(step.proxmox, node, backup.volid) is None


def start_removal(step: StepContext, backup: Backup) -> Start:
    """The outcome that removes the volume of a backup. Removing a volume that is gone succeeds on Proxmox.

    `data["removing"]` names the backup until `finish_removal` has seen the end of the task.
    """
    step.operation.store(removing=backup.id)
    node = _node_of_volume(step, backup)
    return Start(
        call=lambda: archives.remove(step.proxmox, node, backup.volid),
        type="imgdel",
        id=f"{backup.vmid}@{backup.storage}",
        audit=f"remove {backup.volid}",
        tolerate=True,
        node=node,
    )


def finish_removal(step: StepContext, backup: Backup) -> None:
    """Mark a backup as removed after the task of its removal has ended; GiveUp if it is still there."""
    result = step.task_result
    if result is not None and not result.ok and not volume_is_gone(step, backup):
        raise GiveUp("Proxmox did not remove the backup: {proxmox}", proxmox=result.reason)
    mark_removed(step, backup)
    step.operation.store(removing=None)


def mark_removed(step: StepContext, backup: Backup) -> None:
    """Mark a backup as removed by this operation. The indexes of what is due to go hold it no longer."""
    data = step.operation.data
    rotated = data.get("rotated", 0) + (backup.binned_until is None)
    step.operation.store(removed=[*data.get("removed", []), backup.id], rotated=rotated)
    backup.removed_at, backup.expires_at, backup.binned_until = now(), None, None


def _node_of_volume(step: StepContext, backup: Backup) -> str:
    """The node by which a backup's volume is reached. The VM may have moved to one that lacks the storage."""
    if backup.node:
        return backup.node
    with step.context.database.open() as session:
        made_on = session.scalar(select(Operation.node).where(Operation.id == backup.operation_id))
    if made_on in {None, "", step.node}:
        return step.node
    try:
        return archives.readable_from(step.proxmox, step.node, backup.storage)[0]
    except StorageMissing:
        return step.node


def run_pre_hooks(step: StepContext, point: str, **facts: Any) -> None:
    """Run the `Pre…` hooks of this point; raises GiveUp if one answers `abortcmd` or fails."""
    try:
        answers = step.context.hooks.run_for_dicts(
            point, service_id=step.service.id, operation_id=step.operation.id, **facts
        )
    except ProxmoxError:
        raise
    except Exception as error:
        raise GiveUp("A rule of the provider failed: {error}", state="refused", error=type(error).__name__) from error
    for answer in answers:
        if answer.get("abortcmd"):
            raise GiveUp("{reason}", state="refused", reason=answer.get("reason") or FORBIDDEN)
