"""What the steps of several operations have in common."""

from __future__ import annotations

from functools import wraps
from typing import Any

from ...errors import Message, ProxmoxBusy, ProxmoxError
from ...models import Backup, now
from ...pve import backups as archives
from ...pve import vms
from ..step import GiveUp, Outcome, Start, Step, StepContext

FORBIDDEN = Message("The provider's rules forbid it.")


def check_identity(step: StepContext) -> dict[str, Any]:
    """The VM's config, after making sure that this is the machine that was registered. VMID is not identity."""
    config = vms.config(step.proxmox, step.node, step.vmid)
    identity = vms.identity(config)
    if step.service.vm_identity and identity != step.service.vm_identity:
        raise identity_mismatch(step)
    step.service.vm_identity = step.service.vm_identity or identity
    step.service.vm_name = str(config.get("name") or f"VM {step.vmid}")
    step.service.vm_lock, step.service.vm_seen_at = str(config.get("lock") or ""), now()
    return config


def refresh_status(step: StepContext) -> vms.VmStatus:
    """How the VM stands now, noted for the page and for the lock on the host's own actions."""
    status = vms.status(step.proxmox, step.node, step.vmid)
    step.service.vm_status, step.service.vm_lock, step.service.vm_seen_at = status.status, status.lock or "", now()
    return status


def identity_mismatch(step: StepContext, *, state: str = "refused") -> GiveUp:
    """Another machine has the VM's number: lock the service for staff; raise what is returned."""
    trouble = Message(
        "The virtual machine {vmid} is not the one that was registered. The provider has to look at it.",
        vmid=step.vmid,
    )
    step.service.problem = trouble.to_json()
    # What was to be set right on ours must not be done to theirs.
    step.operation.store(undo=None)
    return GiveUp(trouble.text, state=state, **trouble.values)


def find_config(step: StepContext) -> dict[str, Any] | None:
    """The VM's config; None where it is nowhere in the cluster."""
    return vms.config_if_any(step.proxmox, step.node, step.vmid)


def config_after_failure(step: StepContext, before: dict[str, Any]) -> dict[str, Any] | None:
    """What something that failed has left of the VM; None: nothing. GiveUp where another machine has its number.

    `before` is the VM's own config. What Proxmox leaves half-done has no identity, or the MAC that goes along.
    """
    config = find_config(step)
    identity, mac = vms.identity(config or {}), _mac(config or {})
    if identity not in {"", step.service.vm_identity} and (not mac or mac != _mac(before)):
        raise identity_mismatch(step)
    return config


def _mac(config: dict[str, Any]) -> str:
    return (vms.parse_net(str(config.get("net0") or "")).mac or "").upper()


def skip_if(flag: str, function: Step) -> Step:
    """The step, passed over while the operation's data say `flag`."""

    @wraps(function)
    def skipped(step: StepContext) -> Outcome:
        return None if step.operation.data.get(flag) else function(step)

    return skipped


def require_unlocked(config: dict[str, Any]) -> None:
    """ProxmoxBusy while Proxmox holds a lock on the VM."""
    if config.get("lock"):
        raise ProxmoxBusy(f"VM is locked ({config['lock']})")


def require_storage_online(step: StepContext, name: str) -> archives.StorageStatus:
    """The storage as the VM's node sees it now; GiveUp where it is offline."""
    seen = archives.storage_status(step.proxmox, step.node, name)
    if not seen.active:
        raise GiveUp("The storage {storage} is offline.", storage=name)
    return seen


def _volume_is_gone(step: StepContext, backup: Backup) -> bool:
    """Whether the volume is not there any more. A folder that is not mounted looks just as empty."""
    node = backup.node or step.node
    if not archives.storage_status(step.proxmox, node, backup.storage).active:
        return False
    return archives.one(step.proxmox, node, backup.volid) is None


def remove_volume(step: StepContext, backup: Backup) -> Start | None:
    """Remove one backup's volume, then its row. Twice does no harm: to Proxmox a volume that is gone is removed."""
    if step.task_result is not None and step.operation.data.get("removing") == backup.id:
        if not step.task_result.ok and not _volume_is_gone(step, backup):
            raise GiveUp("Proxmox did not remove the backup: {proxmox}", proxmox=step.task_result.reason)
        # The index of what expires holds only what is still to go.
        backup.removed_at, backup.expires_at = now(), None
        removed = [*step.operation.data.get("removed", []), backup.id]
        step.operation.store(removing=None, removed=removed)
        return None
    step.operation.store(removing=backup.id)
    node = backup.node or step.node
    return Start(
        call=lambda: archives.remove(step.proxmox, node, backup.volid),
        type="imgdel",
        id=f"{backup.vmid}@{backup.storage}",
        audit=f"remove {backup.volid}",
        tolerate=True,
        node=node,
    )


def run_pre_hooks(step: StepContext, point: str, **facts: Any) -> None:
    """Ask the host's `Pre…` hooks; GiveUp with their reason where one aborts or fails."""
    try:
        answers = step.context.hooks.ask(point, service_id=step.service.id, operation_id=step.operation.id, **facts)
    except ProxmoxError:
        raise
    except Exception as error:
        raise GiveUp("A rule of the provider failed: {error}", state="refused", error=type(error).__name__) from error
    for answer in answers:
        if answer.get("abortcmd"):
            raise GiveUp("{reason}", state="refused", reason=answer.get("reason") or FORBIDDEN)
