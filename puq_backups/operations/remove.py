"""Remove: one volume goes, and its place in the quota is free."""

from __future__ import annotations

from ..i18n import N_
from ..models import Backup
from .steps import may_go_ahead, same_vm, take_away
from .work import GiveUp, Start, Step, Work


def remove_volume(work: Work) -> Start | None:
    """Remove the backup from its storage; a kept one is not touched."""
    backup = work.find(Backup, work.operation.backup_id)
    if backup.removed_at is not None:
        return None
    if backup.kept:
        raise GiveUp("This backup is kept. Stop keeping it first, then it can be removed.", state="refused")
    if work.ended is None and work.operation.origin != "purge":
        may_go_ahead(work, "PreRemove", backup_id=backup.id)
        same_vm(work)
    return take_away(work, backup)


STEPS: tuple[Step, ...] = (remove_volume,)
LABELS: dict[str, str] = {"remove_volume": N_("Removing the backup")}
