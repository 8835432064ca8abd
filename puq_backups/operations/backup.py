"""Backup: make room if the package says so, make the archive, see that it is there, come down to the quota."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from .. import inventory, retention
from ..errors import Message
from ..i18n import N_
from ..models import Backup, Operation, now
from ..packages import Package
from ..pve import backups as archives
from ..pve import notes, tasks
from .steps import may_go_ahead, same_vm, storage_there, take_away, unlocked
from .work import GiveUp, Hop, Outcome, Start, Step, Wait, Work

SEEN_WITHIN = timedelta(minutes=5)


def check(work: Work) -> None:
    """Make sure the backup can be made before anything is removed for it."""
    may_go_ahead(work, "PreBackup")
    unlocked(same_vm(work))
    name = work.operation.storage
    seen = storage_there(work, name)
    limits = _retention(work)
    with work.toolbox.database.open() as session:
        held = inventory.standing(session, work.service).held()
    needed = retention.room_needed(held, on_storage=name)
    if seen.type != "pbs" and not retention.room_reason(seen.avail, needed, _freed(work, held, name)):
        raise GiveUp("The storage {storage} has no room for another backup.", storage=name)
    _within_limit(work, limits, held)
    inventory.note_storage(work.session, work.server, name, work.node, seen).retention = limits


def _within_limit(work: Work, limits: str, held: list[retention.Held]) -> None:
    """GiveUp where the storage's own retention will refuse one more archive; else warn of a finite one.

    Proxmox counts all unprotected archives with this VM's number, whoever made them.
    """
    most = _most(limits)
    if most is None:
        return
    values = {"storage": work.operation.storage, "limits": limits}
    going = _going(work, held)
    gone = sum(one.id in going and one.storage == work.operation.storage for one in held)
    listed = archives.listing(work.proxmox, work.node, work.operation.storage, work.vmid)
    if sum(not archive.protected for archive in listed) - gone >= most:
        raise GiveUp(
            "The storage {storage} keeps at most {most} backups of a machine by its own retention ({limits}), and "
            "has as many. The provider has to change that.",
            state="refused", most=most, **values,
        )  # fmt: skip
    text = "The storage {storage} has a retention of its own ({limits}); it may refuse further backups."
    work.operation.warn(Message(text, values))


def _most(limits: str) -> int | None:
    """How many archives a storage's `prune-backups` lets a VM have; None: any number."""
    if not limits or archives.keeps_all(limits):
        return None
    return sum(int(number) for number in re.findall(r"\bkeep-(?!all)\w+=(\d+)", limits))


def _retention(work: Work) -> str:
    """The storage's own retention, as last seen; asked for where it is not known."""
    with work.toolbox.database.open() as session:
        known = inventory.storage_row(session, work.server, work.operation.storage, work.node)
    if known is not None and known.retention is not None:
        limits = known.retention
    else:
        config = archives.storage_config(work.proxmox, work.operation.storage) or {}
        limits = str(config.get("prune-backups") or "")
    return limits


def _rotation(work: Work) -> str:
    return Package.from_json(work.service.package).rotation


def _going(work: Work, held: list[retention.Held]) -> list[str]:
    """The backups that this run removes before it makes its own."""
    if work.operation.origin != "scheduled" or _rotation(work) != "before":
        return []
    removed = len(work.operation.data.get("removed", []))
    return retention.to_remove_before(held, limit=work.service.quota, removed_already=removed)


def _freed(work: Work, held: list[retention.Held], storage: str) -> int:
    """What this run's rotation frees on the storage, in bytes."""
    going = _going(work, held)
    return sum(one.size or 0 for one in held if one.id in going and one.storage == storage and one.frees_space)


def make_room(work: Work) -> Outcome:
    """Remove the oldest backup where the quota is full, if the package rotates before."""
    if not work.operation.data.get("removing"):
        _stop_if_asked(work)
    return _remove_next(work, lambda held: _going(work, held))


def _remove_next(work: Work, choose: Callable[[list[retention.Held]], list[str]]) -> Outcome:
    with work.toolbox.database.open() as session:
        removing = work.operation.data.get("removing")
        going = [removing] if removing else choose(inventory.standing(session, work.service).held())
    if not going:
        return None
    backup = work.find(Backup, going[0])
    return take_away(work, backup) or Hop(work.operation.step)


def make_archive(work: Work) -> Start | Wait | None:
    """Have Proxmox make the archive."""
    if work.ended is not None:
        _made(work)
        return None
    package = Package.from_json(work.service.package)
    found = _by_marker(work) if work.operation.data.get("asked") else None
    if found is not None:
        _recorded(work, found.volid, disks=1)
        return None
    _stop_if_asked(work)
    unlocked(same_vm(work))
    work.operation.keep(asked=True)
    marker = notes.marker(work.service.token, work.operation.token)
    return Start(
        call=lambda: archives.create(
            work.proxmox, work.node, work.vmid, storage=work.operation.storage, mode=package.mode,
            compress=package.compression, notes_template=notes.template(work.operation.note, marker),
            lockwait=max(int(work.toolbox.settings.lockwait.total_seconds() // 60), 1),
        ),
        type="vzdump",
        id=str(work.vmid),
        marker=marker,
        audit=f"vzdump of VM {work.vmid} to {work.operation.storage}",
        tolerate=True,
    )  # fmt: skip


def _made(work: Work) -> None:
    ended = work.ended
    assert ended is not None  # noqa: S101 - said by the caller
    if ended.ok:
        for warning in ended.warnings:
            work.operation.warn(Message("{proxmox}", {"proxmox": warning}))
        volid = tasks.archive_target(ended.lines, work.operation.storage)
        if volid:
            _recorded(work, volid, disks=len(tasks.included_disks(ended.lines)))
            return
    # Without a last line, or without its log, only the storage knows whether the archive was finished.
    found = _by_marker(work) if ended.ok is not False or ended.reason == "unexpected status" else None
    if found is None:
        _stop_if_asked(work)
        raise GiveUp("Proxmox could not make the backup: {proxmox}", proxmox=ended.reason)
    _recorded(work, found.volid, disks=1)


def _stop_if_asked(work: Work) -> None:
    """GiveUp where somebody asked to stop it; asked of the database: it may have been after this step's claim."""
    with work.toolbox.database.open() as session:
        if session.scalar(select(Operation.cancel_asked).where(Operation.id == work.operation.id)):
            raise GiveUp("It was stopped.", state="cancelled")


def _by_marker(work: Work) -> archives.Archive | None:
    """The archive that carries this operation's marker, where the answer or the log was lost."""
    ours = (work.service.token, work.operation.token)
    listed = archives.listing(work.proxmox, work.node, work.operation.storage, work.vmid)
    return next((archive for archive in listed if notes.find_marker(archive.notes) == ours), None)


def _recorded(work: Work, volid: str, *, disks: int) -> None:
    known = inventory.storage_row(work.session, work.server, work.operation.storage, work.node)
    holder = known.node if known else ""
    backup = inventory.record(work.session, work.service, work.operation, volid=volid, node=holder, disks=disks)
    work.operation.backup_id = backup.id
    work.operation.keep(made_at=now().isoformat())


def see_archive(work: Work) -> Wait | None:
    """See the archive on its storage, with a size."""
    backup = work.find(Backup, work.operation.backup_id)
    listed = archives.listing(work.proxmox, backup.node or work.node, backup.storage, work.vmid)
    found = next((archive for archive in listed if archive.volid == backup.volid), None)
    if found is not None and found.size:
        inventory.see(backup, found)
        return None
    if now() - datetime.fromisoformat(work.operation.data["made_at"]) > SEEN_WITHIN:
        raise GiveUp("Proxmox said that the backup was made, but it is not on the storage.")
    return Wait(work.toolbox.settings.poll.total_seconds())


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
