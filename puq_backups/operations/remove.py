"""The remove operation: delete one backup's volume from its storage."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from ..errors import StorageMissing
from ..i18n.translator import N_
from ..models import Backup, Operation
from ..pve import archives
from .start_conditions import BROUGHT_BACK, SYSTEM_ORIGINS
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
    if backup.removed_at is not None and step.operation.origin != "again":
        return None
    if step.task_result is not None and step.operation.data.get("removing"):
        common.finish_removal(step, backup)
        return None
    if step.operation.origin == "bin" and backup.binned_until is None:
        raise GiveUp(BROUGHT_BACK.text, state="cancelled")
    if backup.kept:
        raise GiveUp("Kept. Choose “Do not keep” to remove it.", state="refused")
    if step.operation.origin not in SYSTEM_ORIGINS:
        common.run_pre_hooks(step, "PreRemove", backup_id=backup.id)
        if (backup.server_id, backup.machine) == (step.service.server_id, step.service.machine):
            common.check_identity(step)
    if backup.missing_at and not _is_storage_usable(step, backup):
        # Its file was seen to be gone before the storage went: only the row is left.
        common.mark_removed(step, backup)
        return None
    return replace(common.start_removal(step, backup), still=lambda session: _may_go(session, step.operation))


def _may_go(session: Session, operation: Operation) -> bool:
    """Whether the backup may still be removed: it is not kept by now, nor brought back from the bin."""
    backup = session.get_one(Backup, operation.backup_id)
    return not backup.kept and (operation.origin != "bin" or backup.binned_until is not None)


def _is_storage_usable(step: StepContext, backup: Backup) -> bool:
    try:
        return archives.readable_from(step.proxmox, backup.node or step.node, backup.storage)[1].active
    except StorageMissing:
        return False


STEPS: tuple[Step, ...] = (stop_keeping, remove_volume)
LABELS: dict[str, str] = {
    "stop_keeping": N_("Preparing the removal"),
    "remove_volume": N_("Deleting the file"),
}
