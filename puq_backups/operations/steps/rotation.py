"""Removes backups to make room for a new one. Each removal is decided from what is there at that moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from ...errors import ProxmoxRefused
from ...inventory import service_backups
from ...inventory.service_backups import Inventory
from ...models import Backup, Service
from ...pve import archives
from ...rules.retention import BackupInfo
from ..errors import may_succeed_later
from ..step import GoTo, Outcome, StepContext
from .common import finish_removal, mark_removed, start_removal, volume_is_gone

Choose = Callable[[Sequence[BackupInfo], Service], Sequence[str]]
"""The ids of the backups of a service that are to go, in their order; called again in each new situation."""


def remove_next(step: StepContext, choose: Choose) -> Outcome:
    """Remove the first backup of those that `choose` names, then run the step again; None where it names none.

    1. A removal on its way is finished, or what became of it is found out.
    2. A listing of this moment shows which backups are really there: only those count as survivors.
    3. The choice is made again in the transaction that commits the intent (`Start.still`).
    """
    on_its_way = step.operation.data.get("removing")
    if on_its_way:
        settle(step, on_its_way)
        return GoTo(step.operation.step)
    with step.context.database.open() as session:
        inventory = service_backups.load_inventory(session, step.service)
    if not choose(inventory.for_rotation(), step.service):
        return None
    listed = list_backups(step, inventory)
    going = choose(listed.apply_to(inventory.for_rotation()), step.service)
    if not going:
        return None
    start = start_removal(step, step.load(Backup, going[0]))
    return replace(start, still=lambda session: _chosen(session, step.service.id, listed, choose) == going[0])


def _chosen(session: Session, service_id: str, listed: Listed, choose: Choose) -> str:
    service = session.get_one(Service, service_id)
    inventory = service_backups.load_inventory(session, service)
    return next(iter(choose(listed.apply_to(inventory.for_rotation()), service)), "")


def settle(step: StepContext, backup_id: str) -> None:
    """Note what became of a removal that was started; GiveUp where its task failed and the volume is still there."""
    backup = step.load(Backup, backup_id)
    if step.task_result is not None:
        finish_removal(step, backup)
        return
    # The end of the task was not seen, or the attempt ended: the volume tells. If it is there, it is decided on anew.
    if backup.removed_at is None and volume_is_gone(step, backup):
        mark_removed(step, backup)
    step.operation.store(removing=None)


@dataclass(frozen=True)
class Listed:
    """What the storages' listings showed: ids of backups that are not listed, that are protected, whose verification
    failed, that are out of reach.
    """

    unlisted: frozenset[str]
    protected: frozenset[str]
    damaged: frozenset[str]
    unreachable: frozenset[str]

    def apply_to(self, backups: Sequence[BackupInfo]) -> list[BackupInfo]:
        """The backups as the listings show them. One that is not listed is no survivor and takes no place."""
        return [self._apply(backup) for backup in backups]

    def _apply(self, backup: BackupInfo) -> BackupInfo:
        if backup.id in self.unreachable:
            return replace(backup, storage_usable=False, restorable=False)
        if backup.id in self.unlisted:
            return replace(backup, missing=True, restorable=False)
        if backup.id in self.damaged:
            backup = replace(backup, restorable=False)
        return replace(backup, kept=True) if backup.id in self.protected else backup


def list_backups(step: StepContext, inventory: Inventory) -> Listed:
    """List each storage that holds backups of the service; one call for each."""
    unlisted: set[str] = set()
    protected: set[str] = set()
    damaged: set[str] = set()
    unreachable: set[str] = set()
    places: dict[tuple[str, str], list[Backup]] = {}
    for backup in inventory.backups:
        if inventory.usable(backup) and inventory.counts(backup) and backup.missing_at is None:
            places.setdefault((backup.storage, backup.node), []).append(backup)
    for (storage, node), backups in places.items():
        try:
            rows = archives.listing(step.proxmox, node or step.node, storage, step.vmid)
        except ProxmoxRefused as error:
            if may_succeed_later(error):
                raise
            unreachable.update(backup.id for backup in backups)
            continue
        found = {archive.volid: archive for archive in rows}
        unlisted.update(backup.id for backup in backups if backup.volid not in found)
        seen = [(backup.id, found[backup.volid]) for backup in backups if backup.volid in found]
        protected.update(key for key, archive in seen if archive.protected)
        damaged.update(key for key, archive in seen if archive.verification == "failed")
    return Listed(*(frozenset(ids) for ids in (unlisted, protected, damaged, unreachable)))
