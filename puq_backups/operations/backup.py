"""Backup: make room if the package says so, make the archive, see that it is there, come down to the quota."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from ..i18n.translator import N_
from ..inventory import service_backups
from ..models import Backup, Operation
from ..rules import retention
from ..rules.package import Package
from .step import GiveUp, Hop, Outcome, Start, Step, Wait, Work
from .steps import archive
from .steps.common import look, may_go_ahead, same_vm, take_away, unlocked


def check(work: Work) -> None:
    """Make sure the backup can be made before anything is removed for it."""
    may_go_ahead(work, "PreBackup")
    unlocked(same_vm(work))
    name = work.operation.storage
    with work.context.database.open() as session:
        going = _going(work, service_backups.load_inventory(session, work.service).for_rotation())
        known = service_backups.find_storage(session, work.server, name, work.node)
    limits = known.retention if known else None
    place = archive.place_on(work.context, work.proxmox, work.service, name, going=going, limits=limits)
    if place.warning:
        work.operation.add_warning(place.warning)
    service_backups.save_storage(work.session, work.server, name, work.node, place.seen).retention = place.limits


def _rotation(work: Work) -> str:
    return Package.from_json(work.service.package).rotation


def _going(work: Work, held: list[retention.BackupInfo]) -> list[str]:
    """The backups that this run removes before it makes its own."""
    if work.operation.origin != "scheduled" or _rotation(work) != "before":
        return []
    removed = len(work.operation.data.get("removed", []))
    return retention.to_remove_before(held, limit=work.service.quota, removed_already=removed)


def make_room(work: Work) -> Outcome:
    """Remove the oldest backup where the quota is full, if the package rotates before."""
    if not work.operation.data.get("removing"):
        _stop_if_asked(work)
    return _remove_next(work, lambda held: _going(work, held))


def _remove_next(work: Work, choose: Callable[[list[retention.BackupInfo]], list[str]]) -> Outcome:
    with work.context.database.open() as session:
        removing = work.operation.data.get("removing")
        going = (
            [removing] if removing else choose(service_backups.load_inventory(session, work.service).for_rotation())
        )
    if not going:
        return None
    backup = work.find(Backup, going[0])
    return take_away(work, backup) or Hop(work.operation.step)


def make_archive(work: Work) -> Start | Wait | None:
    """Have Proxmox make the archive."""
    storage = work.operation.storage
    if work.ended is not None:
        found = archive.made(work, storage)
        if found is None:
            # A worker of Proxmox's that was killed leaves its lock behind: that goes on holding up everybody.
            look(work)
            _stop_if_asked(work)
            raise GiveUp("Proxmox could not make the backup: {proxmox}", proxmox=work.ended.reason)
    else:
        found = archive.by_marker(work, storage) if work.operation.data.get("asked") else None
    if found is not None:
        work.operation.backup_id = archive.record(work, storage, found).id
        return None
    _stop_if_asked(work)
    unlocked(same_vm(work))
    work.operation.store(asked=True)
    return archive.making(work, storage, work.operation.note, Package.from_json(work.service.package))


def _stop_if_asked(work: Work) -> None:
    """GiveUp where somebody asked to stop it; asked of the database: it may have been after this step's claim."""
    with work.context.database.open() as session:
        if session.scalar(select(Operation.cancel_requested).where(Operation.id == work.operation.id)):
            raise GiveUp("It was stopped.", state="cancelled")


def see_archive(work: Work) -> Wait | None:
    """See the archive on its storage, with a size."""
    return archive.see(work, work.find(Backup, work.operation.backup_id))


def drop_surplus(work: Work) -> Outcome:
    """Come down to the quota, now that the new backup is safe."""
    if work.operation.origin != "scheduled":
        return None
    return _remove_next(
        work,
        lambda held: retention.to_remove_after(held, limit=work.service.quota, new_id=str(work.operation.backup_id)),
    )


STEPS: tuple[Step, ...] = (check, make_room, make_archive, see_archive, drop_surplus)
LABELS: dict[str, str] = {
    "check": N_("Checking the virtual machine and the storage"),
    "make_room": N_("Making room for the new backup"),
    "make_archive": N_("Making the backup"),
    "see_archive": N_("Making sure the backup is there"),
    "drop_surplus": N_("Removing the oldest backup"),
}
