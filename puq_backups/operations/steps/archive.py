"""Makes archives: checks the storage, starts vzdump, finds an archive by its marker, waits until it is listed."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ...errors import BackupsError, Message, ProxmoxRefused
from ...i18n.translator import N_
from ...inventory import recorded_archives, storage_status
from ...models import Backup, Service, now
from ...pve import archives, notes, storages, tasks, vms
from ...pve.client import Proxmox
from ...rules import retention
from ...rules.package import Package
from ..errors import may_succeed_later
from ..step import GiveUp, Start, StepContext, Wait

LISTING_TIMEOUT = timedelta(minutes=5)
NOT_FROZEN = N_(
    "The file systems could not be paused for this backup; databases may need a check after a restore: {proxmox}"
)


@dataclass(frozen=True)
class StorageCheck:
    """A storage that accepts one more archive: its status, its own retention ("" for none), and the ids of the
    backups in the bin that have to go first.
    """

    seen: archives.StorageStatus
    limits: str
    emptied: list[str] = field(default_factory=list)

    @property
    def warning(self) -> Message | None:
        """A warning if the storage has a finite retention of its own."""
        if _retention_limit(self.limits) is None:
            return None
        text = N_("The storage {storage} has a retention of its own ({limits}); it may refuse further backups.")
        return Message(text, storage=self.seen.storage, limits=self.limits)


def check_storage(
    proxmox: Proxmox, service: Service, name: str, held: Sequence[retention.BackupInfo], *,
    going: Collection[str] = (), spare: Sequence[str] = (), limits: str | None = None,
) -> StorageCheck:  # fmt: skip
    """Check that the storage accepts one more archive after the backups `going` (ids) are removed; raises GiveUp.

    `held` are the service's backups. `spare` are ids of those that may go as well, in this order, as many as are
    needed: the answer's `emptied`. `limits` is the storage's own `prune-backups`; None: Proxmox is asked. Free space
    is compared with the size of the last backup on that storage. An unknown size is no reason to refuse.
    """
    seen = archives.storage_status(proxmox, service.node, name)
    if not seen.enabled:
        missing = storages.not_on_node(name, service.node)
        raise GiveUp(missing.text, **missing.values)
    if not seen.active:
        raise GiveUp("The storage {storage} is offline.", storage=name)
    if limits is None:
        limits = str((archives.storage_config(proxmox, name) or {}).get("prune-backups") or "")
    here = {one.id: one for one in held if one.storage == name}
    leaving = [here[key] for key in going if key in here]
    free_places = _free_places(limits, proxmox, service, name)
    emptied = [key for key in spare if key in here]
    for count in range(len(emptied) + 1):
        gone = [*leaving, *(here[key] for key in emptied[:count])]
        against = _no_room(seen, held, gone) or _no_place(limits, free_places, len(gone), name)
        if against is None:
            return StorageCheck(seen, limits, emptied[:count])
    assert against is not None  # noqa: S101 - the loop ran once at least
    raise against


def _no_room(
    seen: archives.StorageStatus, held: Sequence[retention.BackupInfo], gone: Sequence[retention.BackupInfo]
) -> GiveUp | None:
    freed = sum(one.size or 0 for one in gone if one.frees_space)
    needed = retention.expected_size(held, on_storage=seen.storage)
    if seen.type == "pbs" or retention.has_room(seen.avail, needed, freed):
        return None
    return GiveUp("The storage {storage} has no room for another backup.", storage=seen.storage)


def _free_places(limits: str, proxmox: Proxmox, service: Service, name: str) -> int | None:
    """How many more archives of the VM the storage's own retention accepts; None: any number.

    Proxmox counts all unprotected archives with this VMID, whoever made them.
    """
    most = _retention_limit(limits)
    if most is None:
        return None
    listed = archives.listing(proxmox, service.node, name, service.vmid)
    return most - sum(not archive.protected for archive in listed)


def _no_place(limits: str, free_places: int | None, leaving: int, name: str) -> GiveUp | None:
    if free_places is None or free_places + leaving > 0:
        return None
    return GiveUp(
        "The storage {storage} keeps at most {most} backups of a machine by its own retention ({limits}), and "
        "has as many. The provider has to change that.",
        state="refused", most=_retention_limit(limits), storage=name, limits=limits,
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
    """An archive that our task made, its number of disks, and what the task's log warns of."""

    volid: str
    disks: int
    warnings: tuple[Message, ...] = ()


def find_by_marker(step: StepContext, storage: str) -> MadeArchive | None:
    """Find the archive with this operation's marker, for when the answer or the task's log was lost."""
    ours = (step.service.token, step.operation.token)
    listed = archives.listing(step.proxmox, step.node, storage, step.vmid)
    found = next((archive for archive in listed if notes.find_marker(archive.notes) == ours), None)
    return MadeArchive(found.volid, _disk_count(step, found.volid)) if found else None


def _disk_count(step: StepContext, volid: str) -> int:
    """The number of disks in an archive by its own configuration; 0 if Proxmox refuses to show that."""
    try:
        return vms.backed_up_disks(archives.archived_config(step.proxmox, step.node, volid))
    except ProxmoxRefused as error:
        if may_succeed_later(error):
            raise
        return 0


def result_of_task(step: StepContext, storage: str) -> MadeArchive | None:
    """The archive made by the task that ended, or None."""
    ended = step.task_result
    assert ended is not None  # noqa: S101 - checked by the caller
    if ended.ok:
        warnings = [Message("{proxmox}", {"proxmox": warning}) for warning in ended.warnings]
        if reason := tasks.freeze_error(ended.lines):
            warnings.append(Message(NOT_FROZEN, proxmox=reason))
        for warning in warnings:
            step.operation.add_warning(warning)
        volid = tasks.archive_target(ended.lines, storage)
        if volid:
            disks = len(tasks.included_disks(ended.lines)) or _disk_count(step, volid)
            return MadeArchive(volid, disks, tuple(warnings))
    # Without its last line, or without a log, only the storage shows whether the archive was finished.
    doubtful = ended.ok is not False or ended.reason == "unexpected status"
    return find_by_marker(step, storage) if doubtful else None


def look_up(step: StepContext, storage: str, volid: str) -> archives.Archive | None:
    """An archive that was just made as its storage lists it; None where it is not listed yet, or has no size.

    Its row is written whatever goes wrong here: a later step lists it again, and handles the error.
    """
    try:
        listed = archives.listing(step.proxmox, step.node, storage, step.vmid)
    except BackupsError:
        return None
    return next((archive for archive in listed if archive.volid == volid and archive.size), None)


def record(step: StepContext, storage: str, found: MadeArchive, listed: archives.Archive | None = None) -> Backup:
    """Insert the row of the archive that this operation made, with what the storage's listing says of it."""
    known = storage_status.find_storage(step.session, step.server, storage, step.node)
    holder = known.node if known else ""
    backup = recorded_archives.record_archive(
        step.session, step.service, step.operation, volid=found.volid, node=holder, disks=found.disks, listed=listed,
        grace=step.context.settings.termination_grace,
    )  # fmt: skip
    backup.warnings = [warning.to_json() for warning in found.warnings] or backup.warnings
    step.operation.store(made_at=now().isoformat())
    return backup


def wait_until_listed(step: StepContext, backup: Backup) -> Wait | None:
    """Wait until the storage lists the archive with a size; raises GiveUp after LISTING_TIMEOUT."""
    listed = archives.listing(step.proxmox, backup.node or step.node, backup.storage, step.vmid)
    found = next((archive for archive in listed if archive.volid == backup.volid), None)
    if found is not None and found.size:
        recorded_archives.update_from_archive(backup, found)
        return None
    if now() - datetime.fromisoformat(step.operation.data["made_at"]) > LISTING_TIMEOUT:
        raise GiveUp("Proxmox said that the backup was made, but it is not on the storage.")
    return Wait(step.context.settings.poll.total_seconds())
