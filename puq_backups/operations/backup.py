"""The backup operation: make room if the package rotates before, make the archive, verify it, rotate."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from ..i18n.translator import N_
from ..inventory import service_backups, storage_status
from ..models import Backup, Operation, Service
from ..rules import retention
from ..rules.package import Package
from ..rules.retention import BackupInfo
from .step import Done, GiveUp, GoTo, Outcome, Step, StepContext, Wait
from .steps import archive, rotation
from .steps.common import check_identity, refresh_status, require_unlocked, run_pre_hooks


def check(step: StepContext) -> GoTo | None:
    """Check VM, storage and free space before anything is removed for the new backup."""
    if unsettled := step.operation.data.get("removing"):
        # An earlier attempt started a removal. All that is wanted of it is what became of it.
        rotation.settle(step, unsettled)
        return GoTo("check")
    run_pre_hooks(step, "PreBackup")
    require_unlocked(check_identity(step))
    name = step.operation.storage
    with step.context.database.open() as session:
        backups = service_backups.load_inventory(session, step.service).for_rotation()
        known = storage_status.find_storage(session, step.server, name, step.node)
    place = archive.check_storage(
        step.proxmox, step.service, name, backups, going=_rotated_before(step, backups, step.service),
        spare=retention.binned(backups), limits=known.retention if known else None,
    )  # fmt: skip
    storage_status.save_storage(step.session, step.server, name, step.node, place.seen).retention = place.limits
    step.operation.store(emptied_first=place.emptied)
    if place.warning:
        step.operation.add_warning(place.warning)
    return None


def _rotated_before(step: StepContext, backups: Sequence[BackupInfo], service: Service) -> list[str]:
    """Ids of the backups to remove before the new one is made; empty unless scheduled and rotation is `before`."""
    if step.operation.origin != "scheduled" or Package.from_json(service.package).rotation != "before":
        return []
    removed = step.operation.data.get("rotated", 0)
    return retention.to_remove_before(backups, limit=service.quota, removed_already=removed)


def make_room(step: StepContext) -> Outcome:
    """Remove the oldest backup if the quota is full and the package rotates `before`; then what is in the bin and
    must go first, because the storage has no place for both.
    """
    if not step.operation.data.get("removing"):
        _stop_if_asked(step)
    return rotation.remove_next(
        step, lambda backups, service: [*_rotated_before(step, backups, service), *_emptied(step, backups)]
    )


def _emptied(step: StepContext, backups: Sequence[BackupInfo]) -> list[str]:
    first = step.operation.data.get("emptied_first", [])
    return [backup_id for backup_id in retention.binned(backups) if backup_id in first]


def make_archive(step: StepContext) -> Outcome:
    """Start vzdump and record the archive when its task has ended.

    One that is listed then needs no see_archive, and if nothing is to be removed, the operation ends with the same
    commit.
    """
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
        listed = archive.look_up(step, storage, found.volid)
        step.operation.backup_id = archive.record(step, storage, found, listed).id
        if listed is None:
            return None
        return GoTo("drop_surplus") if _has_surplus(step) else Done()
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
    """Come down to the quota, after the new backup was seen: the oldest go where the run is scheduled, then the bin.

    A removal that fails is a warning: the new backup is good, and the next run comes down to the quota.
    """
    return rotation.remove_next(step, lambda backups, service: _surplus(step, backups, service.quota))


def _has_surplus(step: StepContext) -> bool:
    """Whether something is to be removed now that the new backup counts. Read in the transaction that records it."""
    with step.session.no_autoflush:
        backups = service_backups.load_inventory(step.session, step.service).for_rotation()
    return bool(_surplus(step, backups, step.service.quota))


def _surplus(step: StepContext, backups: Sequence[BackupInfo], limit: int) -> list[str]:
    new_id = str(step.operation.backup_id)
    rotated = retention.to_remove_after(backups, limit=limit, new_id=new_id) if step.operation.slot_date else []
    return [*rotated, *retention.to_empty(backups, limit=limit)]


STEPS: tuple[Step, ...] = (check, make_room, make_archive, see_archive, drop_surplus)
LABELS: dict[str, str] = {
    "check": N_("Checking the server and the storage"),
    "make_room": N_("Making room for the new backup"),
    "make_archive": N_("Copying the data"),
    "see_archive": N_("Making sure the backup is there"),
    "drop_surplus": N_("Removing the oldest backup"),
}
