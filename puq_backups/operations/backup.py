"""The backup operation: make room if the package rotates before, make the archive, verify it, rotate."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from ..i18n.translator import N_
from ..inventory import service_backups
from ..models import Backup, Operation
from ..rules import retention
from ..rules.package import Package
from .step import GiveUp, GoTo, Outcome, Start, Step, StepContext, Wait
from .steps import archive
from .steps.common import check_identity, refresh_status, remove_volume, require_unlocked, run_pre_hooks


def check(step: StepContext) -> None:
    """Check VM, storage and free space before anything is removed for the new backup."""
    run_pre_hooks(step, "PreBackup")
    require_unlocked(check_identity(step))
    name = step.operation.storage
    with step.context.database.open() as session:
        going = _rotated_before(step, service_backups.load_inventory(session, step.service).for_rotation())
        known = service_backups.find_storage(session, step.server, name, step.node)
    limits = known.retention if known else None
    place = archive.check_storage(step.context, step.proxmox, step.service, name, going=going, limits=limits)
    if place.warning:
        step.operation.add_warning(place.warning)
    service_backups.save_storage(step.session, step.server, name, step.node, place.seen).retention = place.limits


def _rotation(step: StepContext) -> str:
    return Package.from_json(step.service.package).rotation


def _rotated_before(step: StepContext, held: list[retention.BackupInfo]) -> list[str]:
    """Ids of the backups to remove before the new one is made; empty unless scheduled and rotation is `before`."""
    if step.operation.origin != "scheduled" or _rotation(step) != "before":
        return []
    removed = len(step.operation.data.get("removed", []))
    return retention.to_remove_before(held, limit=step.service.quota, removed_already=removed)


def make_room(step: StepContext) -> Outcome:
    """Remove the oldest backup if the quota is full and the package rotates `before`."""
    if not step.operation.data.get("removing"):
        _stop_if_asked(step)
    return _remove_next(step, lambda held: _rotated_before(step, held))


def _remove_next(step: StepContext, choose: Callable[[list[retention.BackupInfo]], list[str]]) -> Outcome:
    with step.context.database.open() as session:
        removing = step.operation.data.get("removing")
        going = (
            [removing] if removing else choose(service_backups.load_inventory(session, step.service).for_rotation())
        )
    if not going:
        return None
    backup = step.load(Backup, going[0])
    return remove_volume(step, backup) or GoTo(step.operation.step)


def make_archive(step: StepContext) -> Start | Wait | None:
    """Start vzdump and record the archive when its task has ended."""
    storage = step.operation.storage
    if step.task_result is not None:
        found = archive.result_of_task(step, storage)
        if found is None:
            # A killed Proxmox worker leaves its lock on the VM. Store it, so that the page and `lock_reason` show it.
            refresh_status(step)
            _stop_if_asked(step)
            raise GiveUp("Proxmox could not make the backup: {proxmox}", proxmox=step.task_result.reason)
    else:
        found = archive.find_by_marker(step, storage) if step.operation.data.get("asked") else None
    if found is not None:
        step.operation.backup_id = archive.record(step, storage, found).id
        return None
    _stop_if_asked(step)
    require_unlocked(check_identity(step))
    step.operation.store(asked=True)
    return archive.start_archive(step, storage, step.operation.note, Package.from_json(step.service.package))


def _stop_if_asked(step: StepContext) -> None:
    """Raise GiveUp if the backup was asked to stop.

    Reads the database again, because the request may have come after this step was claimed.
    """
    with step.context.database.open() as session:
        if session.scalar(select(Operation.cancel_requested).where(Operation.id == step.operation.id)):
            raise GiveUp("It was stopped.", state="cancelled")


def see_archive(step: StepContext) -> Wait | None:
    """Wait until the storage lists the archive with a size."""
    return archive.wait_until_listed(step, step.load(Backup, step.operation.backup_id))


def drop_surplus(step: StepContext) -> Outcome:
    """Remove the oldest backups above the quota, after the new backup was seen."""
    if step.operation.origin != "scheduled":
        return None
    return _remove_next(
        step,
        lambda held: retention.to_remove_after(held, limit=step.service.quota, new_id=str(step.operation.backup_id)),
    )


STEPS: tuple[Step, ...] = (check, make_room, make_archive, see_archive, drop_surplus)
LABELS: dict[str, str] = {
    "check": N_("Checking the virtual machine and the storage"),
    "make_room": N_("Making room for the new backup"),
    "make_archive": N_("Making the backup"),
    "see_archive": N_("Making sure the backup is there"),
    "drop_surplus": N_("Removing the oldest backup"),
}
