"""Decides which backups rotation removes: the oldest, never a kept one, never the last restorable one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class BackupInfo:
    """A backup as input of rotation. `size` is in bytes, None while unknown.

    `storage_usable`: the storage exists and is online. `frees_space`: False on PBS, where space is freed by garbage
    collection only. Backups of `kind` "safety" are outside the quota and expire by themselves.
    `counted`: False for a backup outside the quota: made by others, or of an earlier VM. `binned`: in the bin; it
    uses no place and protects nothing.
    """

    id: str
    created_at: datetime
    size: int | None
    kind: str
    kept: bool
    missing: bool
    restorable: bool
    storage: str
    storage_usable: bool = True
    frees_space: bool = True
    counted: bool = True
    binned: bool = False


def used_places(backups: Sequence[BackupInfo]) -> int:
    """The number of quota places in use. Missing and binned backups and those outside the quota use none."""
    return sum(not backup.missing for backup in _in_quota(backups))


def to_remove_before(backups: Sequence[BackupInfo], *, limit: int, removed_already: int) -> list[str]:
    """The ids to remove before a new backup is made: at most one over all attempts of a slot.

    Empty if a place is free, if the run is refused because of kept backups, and with a `limit` (quota) of 1, where
    the only backup stays until the new one is restorable. `removed_already` counts removals of earlier attempts.
    """
    full = used_places(backups) >= limit > 1
    if not full or removed_already > 0 or blocked_by_kept(backups, limit=limit):
        return []
    return _oldest(backups, 1, floor=1)


def to_remove_after(backups: Sequence[BackupInfo], *, limit: int, new_id: str) -> list[str]:
    """The ids to remove after the backup `new_id` was made, down to the quota. Empty if it is not restorable."""
    new = [backup for backup in backups if backup.id == new_id and _counts_as_restorable(backup)]
    if not new or limit <= 0:
        return []
    others = [backup for backup in backups if backup.id != new_id]
    return _oldest(others, used_places(backups) - limit, floor=0)


def next_removals(backups: Sequence[BackupInfo], *, limit: int, rotation: str) -> tuple[list[str], list[str]]:
    """The ids that the next scheduled run removes before and after it makes its backup, if it succeeds.

    `rotation` is "before" or "after".
    """
    if limit <= 0 or blocked_by_kept(backups, limit=limit):
        return [], []
    first = to_remove_before(backups, limit=limit, removed_already=0) if rotation == "before" else []
    left = [backup for backup in backups if backup.id not in first]
    return first, _oldest(left, used_places(left) + 1 - limit, floor=0)


def to_empty(backups: Sequence[BackupInfo], *, limit: int, coming: int = 0) -> list[str]:
    """The ids that leave the bin, oldest first, so that no more files exist than the quota promises.

    `coming` is how many new backups take a place. Kept ones and those out of reach stay.
    """
    in_bin = [backup for backup in backups if backup.binned and backup.counted and backup.kind != "safety"]
    surplus = used_places(backups) + sum(not backup.missing for backup in in_bin) + coming - limit
    return binned(in_bin)[: max(surplus, 0)]


def binned(backups: Sequence[BackupInfo]) -> list[str]:
    """The ids of the backups in the bin that can be removed now, oldest first."""
    in_bin = [backup for backup in backups if backup.binned and _removable(backup)]
    return [backup.id for backup in sorted(in_bin, key=_by_age)]


def blocked_by_kept(backups: Sequence[BackupInfo], *, limit: int) -> bool:
    """Whether kept backups fill the quota, so that a run is refused. Missing and offline ones do not count."""
    kept = [backup for backup in _in_quota(backups) if backup.kept and not backup.missing and backup.storage_usable]
    return len(kept) >= limit > 0


def expected_size(backups: Sequence[BackupInfo], *, on_storage: str) -> int | None:
    """The expected size of a new backup in bytes: that of the newest restorable one on that storage.

    None if unknown, and on PBS, where sizes are logical.
    """
    there = [
        backup for backup in backups if backup.storage == on_storage and backup.frees_space and backup.restorable
    ]
    sizes = [backup.size for backup in sorted(there, key=_by_age) if backup.size]
    return sizes[-1] if sizes else None


def has_room(available: int | None, needed: int | None, freed: int) -> bool:
    """Whether the storage has room, all in bytes. `freed` is freed before the run. Unknown (None) counts as room."""
    return available is None or needed is None or available + freed >= needed


def _by_age(backup: BackupInfo) -> tuple[datetime, str]:
    return backup.created_at, backup.id


def _in_quota(backups: Sequence[BackupInfo]) -> list[BackupInfo]:
    """The backups that the quota, rotation and the floor know of."""
    return [backup for backup in backups if _is_in_quota(backup)]


def _is_in_quota(backup: BackupInfo) -> bool:
    return backup.counted and not backup.binned and backup.kind != "safety"


def _removable(backup: BackupInfo) -> bool:
    return not backup.kept and not backup.missing and backup.storage_usable


def _counts_as_restorable(backup: BackupInfo) -> bool:
    """Whether it is restorable now, and in the quota: a safety copy, for example, expires by itself."""
    return backup.restorable and not backup.missing and backup.storage_usable and _is_in_quota(backup)


def _oldest(backups: Sequence[BackupInfo], count: int, *, floor: int) -> list[str]:
    """The ids of the `count` oldest removable backups, leaving at least `floor` restorable ones."""
    if count <= 0:
        return []
    restorable = sum(map(_counts_as_restorable, backups))
    chosen: list[str] = []
    for backup in sorted(_in_quota(backups), key=_by_age):
        restorable_now = _counts_as_restorable(backup)
        if _removable(backup) and not (restorable_now and restorable <= floor):
            restorable -= restorable_now
            chosen.append(backup.id)
            if len(chosen) == count:
                break
    return chosen
