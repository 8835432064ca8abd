"""What the steps of several operations have in common."""

from __future__ import annotations

from functools import wraps
from typing import Any

from ...errors import Message, ProxmoxBusy, ProxmoxError
from ...models import Backup, now
from ...pve import backups as archives
from ...pve import vms
from ..step import GiveUp, Outcome, Start, Step, Work

FORBIDDEN = Message("The provider's rules forbid it.")


def same_vm(work: Work) -> dict[str, Any]:
    """The VM's config, after making sure that this is the machine that was registered. VMID is not identity."""
    config = vms.config(work.proxmox, work.node, work.vmid)
    identity = vms.identity(config)
    if work.service.vm_identity and identity != work.service.vm_identity:
        raise not_ours(work)
    work.service.vm_identity = work.service.vm_identity or identity
    work.service.vm_name = str(config.get("name") or f"VM {work.vmid}")
    work.service.vm_lock, work.service.vm_seen_at = str(config.get("lock") or ""), now()
    return config


def look(work: Work) -> vms.VmStatus:
    """How the VM stands now, noted for the page and for the lock on the host's own actions."""
    status = vms.status(work.proxmox, work.node, work.vmid)
    work.service.vm_status, work.service.vm_lock, work.service.vm_seen_at = status.status, status.lock or "", now()
    return status


def not_ours(work: Work, *, state: str = "refused") -> GiveUp:
    """Another machine has the VM's number: lock the service for staff; raise what is returned."""
    trouble = Message(
        "The virtual machine {vmid} is not the one that was registered. The provider has to look at it.",
        vmid=work.vmid,
    )
    work.service.problem = trouble.to_json()
    # What was to be set right on ours must not be done to theirs.
    work.operation.store(undo=None)
    return GiveUp(trouble.text, state=state, **trouble.values)


def present(work: Work) -> dict[str, Any] | None:
    """The VM's config; None where it is nowhere in the cluster."""
    return vms.config_if_any(work.proxmox, work.node, work.vmid)


def ruin(work: Work, before: dict[str, Any]) -> dict[str, Any] | None:
    """What something that failed has left of the VM; None: nothing. GiveUp where another machine has its number.

    `before` is the VM's own config. What Proxmox leaves half-done has no identity, or the MAC that goes along.
    """
    config = present(work)
    identity, mac = vms.identity(config or {}), _mac(config or {})
    if identity not in {"", work.service.vm_identity} and (not mac or mac != _mac(before)):
        raise not_ours(work)
    return config


def _mac(config: dict[str, Any]) -> str:
    return (vms.parse_net(str(config.get("net0") or "")).mac or "").upper()


def unless(flag: str, step: Step) -> Step:
    """The step, passed over while the operation's data say `flag`."""

    @wraps(step)
    def passed_over(work: Work) -> Outcome:
        return None if work.operation.data.get(flag) else step(work)

    return passed_over


def unlocked(config: dict[str, Any]) -> None:
    """ProxmoxBusy while Proxmox holds a lock on the VM."""
    if config.get("lock"):
        raise ProxmoxBusy(f"VM is locked ({config['lock']})")


def storage_there(work: Work, name: str) -> archives.StorageStatus:
    """The storage as the VM's node sees it now; GiveUp where it is offline."""
    seen = archives.storage_status(work.proxmox, work.node, name)
    if not seen.active:
        raise GiveUp("The storage {storage} is offline.", storage=name)
    return seen


def _gone(work: Work, backup: Backup) -> bool:
    """Whether the volume is not there any more. A folder that is not mounted looks just as empty."""
    node = backup.node or work.node
    if not archives.storage_status(work.proxmox, node, backup.storage).active:
        return False
    return archives.one(work.proxmox, node, backup.volid) is None


def take_away(work: Work, backup: Backup) -> Start | None:
    """Remove one backup's volume, then its row. Twice does no harm: to Proxmox a volume that is gone is removed."""
    if work.ended is not None and work.operation.data.get("removing") == backup.id:
        if not work.ended.ok and not _gone(work, backup):
            raise GiveUp("Proxmox did not remove the backup: {proxmox}", proxmox=work.ended.reason)
        # The index of what expires holds only what is still to go.
        backup.removed_at, backup.expires_at = now(), None
        removed = [*work.operation.data.get("removed", []), backup.id]
        work.operation.store(removing=None, removed=removed)
        return None
    work.operation.store(removing=backup.id)
    node = backup.node or work.node
    return Start(
        call=lambda: archives.remove(work.proxmox, node, backup.volid),
        type="imgdel",
        id=f"{backup.vmid}@{backup.storage}",
        audit=f"remove {backup.volid}",
        tolerate=True,
        node=node,
    )


def may_go_ahead(work: Work, point: str, **facts: Any) -> None:
    """Ask the host's `Pre…` hooks; GiveUp with their reason where one aborts or fails."""
    try:
        answers = work.context.hooks.ask(point, service_id=work.service.id, operation_id=work.operation.id, **facts)
    except ProxmoxError:
        raise
    except Exception as error:
        raise GiveUp("A rule of the provider failed: {error}", state="refused", error=type(error).__name__) from error
    for answer in answers:
        if answer.get("abortcmd"):
            raise GiveUp("{reason}", state="refused", reason=answer.get("reason") or FORBIDDEN)
