"""Remove: one volume goes, and its place in the quota is free."""

from __future__ import annotations

from ..i18n.translator import N_
from ..models import Backup
from ..pve import backups as archives
from .start_conditions import OF_THE_SYSTEM
from .step import Change, GiveUp, Start, Step, Work
from .steps.common import may_go_ahead, same_vm, take_away


def stop_keeping(work: Work) -> Change | None:
    """Let a kept backup of a terminated service go: Proxmox removes nothing that is protected."""
    backup = work.find(Backup, work.operation.backup_id)
    if work.operation.origin != "purge" or not backup.kept or backup.removed_at:
        return None
    node = backup.node or work.node
    found = archives.one(work.proxmox, node, backup.volid)
    if found is None or not found.protected:
        backup.kept = False
        return None
    return Change(
        call=lambda: archives.set_protected(work.proxmox, node, backup.volid, protected=False),
        audit=f"no longer keep {backup.volid}",
    )


def remove_volume(work: Work) -> Start | None:
    """Remove the backup from its storage; a kept one is not touched."""
    backup = work.find(Backup, work.operation.backup_id)
    if backup.removed_at is not None:
        return None
    if backup.kept:
        raise GiveUp("This backup is kept. Stop keeping it first, then it can be removed.", state="refused")
    if work.ended is None and work.operation.origin not in OF_THE_SYSTEM:
        may_go_ahead(work, "PreRemove", backup_id=backup.id)
        same_vm(work)
    return take_away(work, backup)


STEPS: tuple[Step, ...] = (stop_keeping, remove_volume)
LABELS: dict[str, str] = {
    "stop_keeping": N_("Preparing the removal"),
    "remove_volume": N_("Removing the backup"),
}
