"""What rotation may remove: the oldest, never a kept one, never the last that can be restored. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class BackupInfo:
    """A backup as rotation sees it: `size` in bytes, None while unknown.

    `storage_usable`: its storage is there and online. `frees_space`: False on PBS, where room comes back only
    with garbage collection. A `kind` of "safety" is outside the quota and has an end of its own.
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


def used_places(backups: Sequence[BackupInfo]) -> int:
    """Places of the quota that are taken: missing ones take none."""
    return sum(not backup.missing for backup in backups)


def to_remove_before(backups: Sequence[BackupInfo], *, limit: int, removed_already: int) -> list[str]:
    """The id that goes before a new backup is made: at most one over all attempts of a slot.

    None where a place is free, where the run is refused for its kept backups, and with a quota of 1: there the
    only backup stays until the new one is safe.
    """
    full = used_places(_in_quota(backups)) >= limit > 1
    if not full or removed_already > 0 or blocked_by_kept(backups, limit=limit):
        return []
    return _oldest(backups, 1, floor=1)


def to_remove_after(backups: Sequence[BackupInfo], *, limit: int, new_id: str) -> list[str]:
    """The ids that go once the backup `new_id` is safe, down to the quota; none where it cannot be restored."""
    new = [backup for backup in backups if backup.id == new_id and _counts_as_restorable(backup)]
    if not new or limit <= 0:
        return []
    others = [backup for backup in backups if backup.id != new_id]
    return _oldest(others, used_places(_in_quota(backups)) - limit, floor=0)


def next_removals(backups: Sequence[BackupInfo], *, limit: int, rotation: str) -> list[str]:
    """The ids that the next scheduled run removes, before and after, if it succeeds."""
    if limit <= 0 or blocked_by_kept(backups, limit=limit):
        return []
    first = to_remove_before(backups, limit=limit, removed_already=0) if rotation == "before" else []
    left = [backup for backup in backups if backup.id not in first]
    return first + _oldest(left, used_places(_in_quota(left)) + 1 - limit, floor=0)


def blocked_by_kept(backups: Sequence[BackupInfo], *, limit: int) -> bool:
    """Whether kept backups fill the quota, so that a run is refused. Those out of reach hold nothing up."""
    kept = [backup for backup in _in_quota(backups) if backup.kept and not backup.missing and backup.storage_usable]
    return len(kept) >= limit > 0


def expected_size(backups: Sequence[BackupInfo], *, on_storage: str) -> int | None:
    """The bytes a new backup is likely to take: as many as the newest restorable one on that storage.

    None where nothing is known, as on PBS: its sizes are logical.
    """
    there = [
        backup for backup in backups if backup.storage == on_storage and backup.frees_space and backup.restorable
    ]
    sizes = [backup.size for backup in sorted(there, key=_by_age) if backup.size]
    return sizes[-1] if sizes else None


def has_room(available: int | None, needed: int | None, freed: int) -> bool:
    """Whether there is room, all in bytes: `freed` is what goes before. Unknown (None) is not a refusal."""
    return available is None or needed is None or available + freed >= needed


def _by_age(backup: BackupInfo) -> tuple[datetime, str]:
    return backup.created_at, backup.id


def _in_quota(backups: Sequence[BackupInfo]) -> list[BackupInfo]:
    return [backup for backup in backups if backup.kind != "safety"]


def _removable(backup: BackupInfo) -> bool:
    return not backup.kept and not backup.missing and backup.storage_usable


def _counts_as_restorable(backup: BackupInfo) -> bool:
    """A safety copy does not: it goes by itself after its days. Nor one that cannot be reached."""
    return backup.restorable and not backup.missing and backup.storage_usable and backup.kind != "safety"


def _oldest(backups: Sequence[BackupInfo], count: int, *, floor: int) -> list[str]:
    """The ids of the `count` oldest that may go, while `floor` restorable ones are left."""
    restorable = sum(map(_counts_as_restorable, backups))
    chosen: list[str] = []
    for backup in sorted(_in_quota(backups), key=_by_age):
        precious = _counts_as_restorable(backup)
        if len(chosen) < count and _removable(backup) and not (precious and restorable <= floor):
            restorable -= precious
            chosen.append(backup.id)
    return chosen
