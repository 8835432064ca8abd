"""The stored backups of a service: loading, quota, which are restorable, and recording new ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from ..errors import NotFound
from ..models import ACTIVE_STATES, Backup, Operation, Service, Storage, changes, is_valid_id, now
from ..models.upsert import insert_missing
from ..pve import archives
from ..rules import retention, wall_time
from ..rules.schedule import Schedule

OF_SERVICES: BindParameter[str] = bindparam("services", expanding=True)
BACKUPS = select(Backup).where(Backup.service_id.in_(OF_SERVICES), Backup.removed_at.is_(None))
BACKUPS = BACKUPS.order_by(Backup.created_at.desc(), Backup.id)
LIVE = select(Operation).where(Operation.service_id.in_(OF_SERVICES), Operation.state.in_(ACTIVE_STATES))
LIVE = LIVE.order_by(Operation.created_at)
STORAGES = select(Storage).where(Storage.server_id.in_(bindparam("servers", expanding=True)))
BY_OTHERS = frozenset({"adopted", "imported"})
"""Kinds of backups that others made: they count for nothing until they are released."""


def is_damaged(backup: Backup) -> bool:
    """Whether the storage's verification or a restore found it damaged."""
    return backup.verification == "failed" or backup.damaged_at is not None


@dataclass(frozen=True)
class Inventory:
    """A service with its backups (newest first), storages by (name, node), and live operations."""

    service: Service
    backups: Sequence[Backup]
    storages: dict[tuple[str, str], Storage]
    live: Sequence[Operation] = field(default=())

    @property
    def running(self) -> Operation | None:
        return next((operation for operation in self.live if operation.state in {"running", "stuck"}), None)

    @property
    def waiting(self) -> list[Operation]:
        return [operation for operation in self.live if operation.state == "waiting"]

    def storage_of(self, backup: Backup) -> Storage | None:
        """Return the storage of a backup as it was last seen; None if it never was."""
        return self.storages.get((backup.storage, backup.node))

    def usable(self, backup: Backup) -> bool:
        """Whether the backup's storage was online when last seen; True if it was never seen."""
        storage = self.storage_of(backup)
        return storage is None or storage.active

    def restorable(self, backup: Backup) -> bool:
        """Whether the backup has a size and a disk, is not missing or damaged, and can be read from the VM's node."""
        return self._is_whole(backup) and self.usable(backup)

    def _is_whole(self, backup: Backup) -> bool:
        whole = bool(backup.size) and backup.disks > 0 and not is_damaged(backup) and not backup.missing_at
        return whole and self._is_here(backup)

    def _is_here(self, backup: Backup) -> bool:
        """Whether the VM's node has the backup's storage, as far as is known."""
        storage, node = self.storage_of(backup), self.service.node
        nodes = storage.nodes.split(",") if storage and storage.nodes and node else [node]
        return backup.node in {"", node} and node in nodes

    def is_good(self, backup: Backup) -> bool:
        """Whether it protects the service, as far as its storage may be believed: see `unseen_since`."""
        counts = self.counts(backup) and backup.kind != "safety" and backup.binned_until is None
        return counts and self._is_whole(backup)

    def unseen_since(self, backup: Backup) -> datetime | None:
        """Since when the backup's storage has not been seen; None where it was seen within the hour."""
        storage = self.storage_of(backup)
        return storage.active_at or storage.seen_at if storage and storage.unseen else None

    def is_earlier(self, backup: Backup) -> bool:
        """Whether it is of another VM that this service had before."""
        return (backup.server_id, backup.machine) != (self.service.server_id, self.service.machine)

    def counts(self, backup: Backup) -> bool:
        """Whether quota, rotation and protection know of it: neither of an earlier VM, nor made by others and not
        released yet.
        """
        return not self.is_earlier(backup) and (backup.kind not in BY_OTHERS or backup.released_at is not None)

    def todays(self, day: str, *, manual: bool, but: str | None = None) -> Backup | None:
        """The restorable backup that counts as the one of local date `day`, if there is one.

        `manual`: manual backups count too. `but` is the id of an operation whose own archive is left out.
        """
        kinds = {"scheduled", "manual"} if manual else {"scheduled"}
        return next(
            (
                backup
                for backup in self.backups
                if backup.local_date == day and backup.kind in kinds and self.protects(backup)
                and (but is None or backup.operation_id != but)
            ),
            None,
        )  # fmt: skip

    def protects(self, backup: Backup) -> bool:
        """Whether it is a restorable backup that counts, outside the bin."""
        return self.restorable(backup) and self.counts(backup) and backup.binned_until is None

    def safety_copy_of(self, restore: Operation) -> Backup | None:
        """The safety copy made before a restore, or before the failed restore that it retries; None without one."""
        return next((backup for backup in self.backups if backup.id == restore.data.get("safety")), None)

    def for_rotation(self) -> list[retention.BackupInfo]:
        """The backups as input of `rules.retention`, oldest first."""
        return [self._rotation_info(backup) for backup in reversed(self.backups)]

    def _rotation_info(self, backup: Backup) -> retention.BackupInfo:
        storage = self.storage_of(backup)
        return retention.BackupInfo(
            id=backup.id, created_at=backup.created_at, size=backup.size, kind=backup.kind, kept=backup.kept,
            missing=backup.missing_at is not None, restorable=self.restorable(backup), storage=backup.storage,
            storage_usable=self.usable(backup), frees_space=storage is None or storage.type != "pbs",
            counted=self.counts(backup), binned=backup.binned_until is not None,
        )  # fmt: skip

    def used(self, *, but: str | None = None) -> int:
        """The number of quota places in use: existing backups plus waiting and running backup operations.

        `but` is the id of an operation to leave out. A running backup that is already listed is counted once.
        """
        listed = {backup.operation_id for backup in self.backups}
        coming = [
            operation for operation in self.live
            if operation.kind == "backup" and operation.id != but and operation.id not in listed
        ]  # fmt: skip
        return retention.used_places(self.for_rotation()) + len(coming)


def load_inventory(session: Session, service: Service) -> Inventory:
    """Load the backups of a service's present owner, its storages and live operations, in three queries."""
    return load_inventories(session, [service])[service.id]


def load_inventories(session: Session, services: Collection[Service]) -> dict[str, Inventory]:
    """Load the inventories of services, by id, in three queries for all of them."""
    of_services = {"services": [service.id for service in services]}
    backups, operations = defaultdict(list), defaultdict(list)
    for backup in session.scalars(BACKUPS, of_services):
        backups[backup.service_id].append(backup)
    seen = session.scalars(STORAGES, {"servers": list({service.server_id for service in services})}).all()
    for operation in session.scalars(LIVE, of_services):
        operations[operation.service_id].append(operation)
    return {
        service.id: Inventory(
            service,
            [backup for backup in backups[service.id] if backup.client_id == service.client_id],
            {(storage.name, storage.node): storage for storage in seen if storage.server_id == service.server_id},
            operations[service.id],
        )
        for service in services
    }


def find_backup(session: Session, service_id: str, backup_id: str) -> Backup:
    """The backup of this service with this id. Raises NotFound if it is another's, removed or unknown."""
    backup = session.get(Backup, str(backup_id)) if is_valid_id(str(backup_id)) else None
    if backup is None or backup.service_id != service_id or backup.removed_at is not None:
        raise NotFound
    if backup.client_id != session.get_one(Service, service_id).client_id:
        raise NotFound
    return backup


def archive_storage(operation: Operation) -> str:
    """The storage of the archive that an operation makes. For a restore that is its safety copy; "" without one."""
    return operation.storage if operation.kind == "backup" else str(operation.data.get("safety_storage") or "")


def record_archive(
    session: Session, service: Service, operation: Operation, *, volid: str, node: str, disks: int,
    grace: timedelta, listed: archives.Archive | None = None,
) -> Backup:  # fmt: skip
    """Return the backup row of the archive that `operation` made, and create it if needed.

    The archive of a restore is its safety copy. `volid` and `node` are those of the archive, `disks` its disk count,
    `listed` what its storage says of it. What was begun for an earlier client stays theirs, and goes after `grace`.
    """
    safety, theirs = operation.kind != "backup", operation.client_id != service.client_id
    lasts = grace if theirs else timedelta(days=operation.data["safety_days"]) if safety else None
    delete_removed_row(session, service.server_id, volid)
    known = select(Backup).where(Backup.server_id == service.server_id, Backup.volid == volid)
    backup = session.scalars(known).first()
    if backup is None:
        changes.concern(session, service.id)
        asked_on = wall_time.local_date(operation.created_at, Schedule.from_json(service.schedule).timezone)
        # The sync, which looks at the same storage, may record it by its marker at this moment.
        insert_missing(
            session, Backup, **Backup.owner(service) | {"client_id": operation.client_id}, volid=volid,
            operation_id=operation.id, expires_at=None if lasts is None else now() + lasts,
            storage=volid.partition(":")[0], node=node, kind="safety" if safety else operation.origin,
            note=operation.note, slot_date=operation.slot_date, disks=disks,
            local_date=operation.slot_date or asked_on.isoformat(), created_at=operation.started_at or now(),
            **(_as_listed(listed) | {"seen_at": now()} if listed else {}),
        )  # fmt: skip
        backup = session.scalars(known.with_for_update()).one()
    if listed:
        update_from_archive(backup, listed)
    return backup


def delete_removed_row(session: Session, server_id: str, volid: str) -> None:
    """Delete the row of a removed backup whose volume id is used again.

    vzdump names archives by the second, so a new one may get the name of a removed one. The audit keeps the old one.
    """
    removed = (Backup.server_id == server_id, Backup.volid == volid, Backup.removed_at.is_not(None))
    for backup in session.scalars(select(Backup).where(*removed)).all():
        session.delete(backup)
    session.flush()


def _as_listed(archive: archives.Archive) -> dict[str, Any]:
    """The columns of a backup that the storage's listing tells."""
    return {"size": archive.size, "kept": archive.protected, "verification": archive.verification or ""}


def differs(row: Any, archive: archives.Archive) -> bool:
    """Whether `update_from_archive` would change a backup, given as its row or as the columns that it concerns."""
    if row.seen_at is None or row.gone_since is not None or row.missing_at is not None:
        return True
    return any(getattr(row, name) != value for name, value in _as_listed(archive).items())


def update_from_archive(backup: Backup, archive: archives.Archive) -> None:
    """Copy size, protection and verification from the storage's listing, and clear the missing state."""
    for name, value in _as_listed(archive).items():
        setattr(backup, name, value)
    if backup.seen_at is None or backup.gone_since is not None:
        # Not at each look: that the storage was listed stands on its own row.
        backup.seen_at = now()
    backup.gone_since = backup.missing_at = None
