"""The stored backups of a service: loading, quota, and which are restorable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import cast

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from ..errors import NotFound
from ..models import ACTIVE_STATES, Backup, Operation, Service, Storage, is_valid_id
from ..rules import retention

OF_SERVICES: BindParameter[str] = bindparam("services", expanding=True)
BACKUPS = select(*Backup.__table__.columns).where(Backup.service_id.in_(OF_SERVICES), Backup.removed_at.is_(None))
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
    """A service with its backups (newest first), storages by (name, node) and live operations, as loaded.

    Its backups are read, never written: rows with the columns of Backup, which cost a fraction of entities.
    """

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
        here = self._here.get((backup.storage, backup.node))
        return backup.node in {"", self.service.node} if here is None else here

    @cached_property
    def _here(self) -> dict[tuple[str, str], bool]:
        """Whether the VM's node has a storage, by its name and node."""
        node = self.service.node
        return {
            (name, of): of in {"", node} and (not storage.nodes or not node or node in storage.nodes.split(","))
            for (name, of), storage in self.storages.items()
        }

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
        return (backup.server_id, backup.machine) != self._present

    @cached_property
    def _present(self) -> tuple[str, str]:
        """Server and machine of the service's VM."""
        return self.service.server_id, self.service.machine

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

    def for_rotation(self) -> Sequence[retention.BackupInfo]:
        """The backups as input of `rules.retention`, oldest first."""
        return self._rotation_infos

    @cached_property
    def _rotation_infos(self) -> Sequence[retention.BackupInfo]:
        return [self._rotation_info(backup) for backup in reversed(self.backups)]

    def _rotation_info(self, backup: Backup) -> retention.BackupInfo:
        storage = self.storage_of(backup)
        usable = storage is None or storage.active
        return retention.BackupInfo(
            id=backup.id, created_at=backup.created_at, size=backup.size, kind=backup.kind, kept=backup.kept,
            missing=backup.missing_at is not None, restorable=usable and self._is_whole(backup),
            storage=backup.storage, storage_usable=usable, frees_space=storage is None or storage.type != "pbs",
            counted=self.counts(backup), binned=backup.binned_until is not None,
        )  # fmt: skip

    def used(self, *, but: str | None = None) -> int:
        """The number of quota places in use: existing backups plus waiting and running backup operations.

        `but` is the id of an operation to leave out. A running backup that is already listed is counted once.
        """
        coming = {operation.id for operation in self.live if operation.kind == "backup" and operation.id != but}
        if coming:
            coming -= {backup.operation_id for backup in self.backups}
        return self._used_by_backups + len(coming)

    @cached_property
    def _used_by_backups(self) -> int:
        return retention.used_places(self.for_rotation())


def load_inventory(session: Session, service: Service) -> Inventory:
    """Load the backups of a service's present owner, its storages and live operations, in three queries."""
    return load_inventories(session, [service])[service.id]


def load_inventories(session: Session, services: Collection[Service]) -> dict[str, Inventory]:
    """Load the inventories of services, by id, in three queries for all of them."""
    of_services = {"services": [service.id for service in services]}
    backups, operations = defaultdict(list), defaultdict(list)
    for backup in cast("Iterable[Backup]", session.execute(BACKUPS, of_services)):
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
