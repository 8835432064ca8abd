"""The remove operation: delete one backup's volume from its storage."""

from __future__ import annotations

from ..i18n.translator import N_
from ..models import Backup
from ..pve import archives
from .start_conditions import SYSTEM_ORIGINS
from .step import Change, GiveUp, Start, Step, StepContext
from .steps import common


def stop_keeping(step: StepContext) -> Change | None:
    """Unprotect a kept backup of a terminated service, because Proxmox removes no protected volume."""
    backup = step.load(Backup, step.operation.backup_id)
    if step.operation.origin != "purge" or not backup.kept or backup.removed_at:
        return None
    node = backup.node or step.node
    found = archives.find(step.proxmox, node, backup.volid)
    if found is None or not found.protected:
        backup.kept = False
        return None
    return Change(
        call=lambda: archives.set_protected(step.proxmox, node, backup.volid, protected=False),
        audit=f"no longer keep {backup.volid}",
    )


def remove_volume(step: StepContext) -> Start | None:
    """Remove the backup from its storage. A kept backup is refused."""
    backup = step.load(Backup, step.operation.backup_id)
    if backup.removed_at is not None:
        return None
    if backup.kept:
        raise GiveUp("This backup is kept. Stop keeping it first, then it can be removed.", state="refused")
    if step.task_result is None and step.operation.origin not in SYSTEM_ORIGINS:
        common.run_pre_hooks(step, "PreRemove", backup_id=backup.id)
        common.check_identity(step)
    return common.remove_volume(step, backup)


STEPS: tuple[Step, ...] = (stop_keeping, remove_volume)
LABELS: dict[str, str] = {
    "stop_keeping": N_("Preparing the removal"),
    "remove_volume": N_("Removing the backup"),
}
