"""Makes archives: checks the storage, starts vzdump, finds an archive by its marker, waits until it is listed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...context import Context
from ...errors import Message
from ...i18n.translator import N_
from ...inventory import service_backups
from ...models import Backup, Service, now
from ...pve import archives, notes, tasks
from ...pve.client import Proxmox
from ...rules import retention
from ...rules.package import Package
from ..step import GiveUp, Start, StepContext, Wait

LISTING_TIMEOUT = timedelta(minutes=5)
NOT_FROZEN = N_(
    "The file systems could not be paused for this backup; databases may need a check after a restore: {proxmox}"
)


@dataclass(frozen=True)
class StorageCheck:
    """A storage that accepts one more archive: its status and its own retention ("" for none)."""

    seen: archives.StorageStatus
    limits: str

    @property
    def warning(self) -> Message | None:
        """A warning if the storage has a finite retention of its own."""
        if _retention_limit(self.limits) is None:
            return None
        text = "The storage {storage} has a retention of its own ({limits}); it may refuse further backups."
        return Message(text, storage=self.seen.storage, limits=self.limits)


def check_storage(
    context: Context, proxmox: Proxmox, service: Service, name: str, *, going: Collection[str] = (),
    limits: str | None = None,
) -> StorageCheck:  # fmt: skip
    """Check that the storage accepts one more archive after the backups `going` (ids) are removed; raises GiveUp.

    `limits` is the storage's own `prune-backups`; None: Proxmox is asked. Free space is compared with the size of the
    last backup on that storage. An unknown size is no reason to refuse.
    """
    seen = archives.storage_status(proxmox, service.node, name)
    if not seen.active:
        raise GiveUp("The storage {storage} is offline.", storage=name)
    if limits is None:
        limits = str((archives.storage_config(proxmox, name) or {}).get("prune-backups") or "")
    with context.database.open() as session:
        held = service_backups.load_inventory(session, service).for_rotation()
    leaving = [one for one in held if one.id in going and one.storage == name]
    freed = sum(one.size or 0 for one in leaving if one.frees_space)
    needed = retention.expected_size(held, on_storage=name)
    if seen.type != "pbs" and not retention.has_room(seen.avail, needed, freed):
        raise GiveUp("The storage {storage} has no room for another backup.", storage=name)
    _check_retention(limits, proxmox, service, name, len(leaving))
    return StorageCheck(seen, limits)


def _check_retention(limits: str, proxmox: Proxmox, service: Service, name: str, leaving: int) -> None:
    """Raise GiveUp if the storage's own retention will refuse one more archive.

    Proxmox counts all unprotected archives with this VMID, whoever made them.
    """
    most = _retention_limit(limits)
    if most is None:
        return
    listed = archives.listing(proxmox, service.node, name, service.vmid)
    if sum(not archive.protected for archive in listed) - leaving >= most:
        raise GiveUp(
            "The storage {storage} keeps at most {most} backups of a machine by its own retention ({limits}), and "
            "has as many. The provider has to change that.",
            state="refused", most=most, storage=name, limits=limits,
        )  # fmt: skip


def _retention_limit(limits: str) -> int | None:
    """The number of archives per VM that `prune-backups` allows; None: unlimited."""
    if not limits or archives.keeps_all(limits):
        return None
    return sum(int(number) for number in re.findall(r"\bkeep-(?!all)\w+=(\d+)", limits))


def start_archive(step: StepContext, storage: str, note: str, package: Package) -> Start:
    """The outcome that starts vzdump. The archive's notes end with the marker of this operation."""
    marker = notes.marker(step.service.token, step.operation.token)
    return Start(
        call=lambda: archives.create(
            step.proxmox, step.node, step.vmid, storage=storage, mode=package.mode,
            compress=package.compression, notes_template=notes.template(note, marker),
            lockwait=max(int(step.context.settings.lockwait.total_seconds() // 60), 1),
        ),
        type="vzdump",
        id=str(step.vmid),
        marker=marker,
        audit=f"vzdump of VM {step.vmid} to {storage}",
        tolerate=True,
    )  # fmt: skip


@dataclass(frozen=True)
class MadeArchive:
    """An archive that our task made, and its number of disks."""

    volid: str
    disks: int


def find_by_marker(step: StepContext, storage: str) -> MadeArchive | None:
    """Find the archive with this operation's marker, for when the answer or the task's log was lost."""
    ours = (step.service.token, step.operation.token)
    listed = archives.listing(step.proxmox, step.node, storage, step.vmid)
    found = next((archive for archive in listed if notes.find_marker(archive.notes) == ours), None)
    return MadeArchive(found.volid, disks=1) if found else None


def result_of_task(step: StepContext, storage: str) -> MadeArchive | None:
    """The archive made by the task that ended, or None."""
    ended = step.task_result
    assert ended is not None  # noqa: S101 - checked by the caller
    if ended.ok:
        for warning in ended.warnings:
            step.operation.add_warning(Message("{proxmox}", {"proxmox": warning}))
        if reason := tasks.freeze_error(ended.lines):
            step.operation.add_warning(Message(NOT_FROZEN, proxmox=reason))
        volid = tasks.archive_target(ended.lines, storage)
        if volid:
            return MadeArchive(volid, disks=len(tasks.included_disks(ended.lines)))
    # Without its last line, or without a log, only the storage shows whether the archive was finished.
    doubtful = ended.ok is not False or ended.reason == "unexpected status"
    return find_by_marker(step, storage) if doubtful else None


def record(step: StepContext, storage: str, found: MadeArchive) -> Backup:
    """Insert the row of the archive that this operation made."""
    known = service_backups.find_storage(step.session, step.server, storage, step.node)
    holder = known.node if known else ""
    backup = service_backups.record_archive(
        step.session, step.service, step.operation, volid=found.volid, node=holder, disks=found.disks
    )
    step.operation.store(made_at=now().isoformat())
    return backup


def wait_until_listed(step: StepContext, backup: Backup) -> Wait | None:
    """Wait until the storage lists the archive with a size; raises GiveUp after LISTING_TIMEOUT."""
    listed = archives.listing(step.proxmox, backup.node or step.node, backup.storage, step.vmid)
    found = next((archive for archive in listed if archive.volid == backup.volid), None)
    if found is not None and found.size:
        service_backups.update_from_archive(backup, found)
        return None
    if now() - datetime.fromisoformat(step.operation.data["made_at"]) > LISTING_TIMEOUT:
        raise GiveUp("Proxmox said that the backup was made, but it is not on the storage.")
    return Wait(step.context.settings.poll.total_seconds())
