"""What rotation may remove: the oldest, never a kept one, never the last that can be restored. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Held:
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


def used(backups: Sequence[Held]) -> int:
    """Places of the quota that are taken: missing ones take none."""
    return sum(not held.missing for held in backups)


def to_remove_before(backups: Sequence[Held], *, limit: int, removed_already: int) -> list[str]:
    """The id that goes before a new backup is made: at most one over all attempts of a slot.

    None where a place is free, where the run is refused for its kept backups, and with a quota of 1: there the
    only backup stays until the new one is safe.
    """
    full = used(_counted(backups)) >= limit > 1
    if not full or removed_already > 0 or blocked_by_kept(backups, limit=limit):
        return []
    return _oldest(backups, 1, floor=1)


def to_remove_after(backups: Sequence[Held], *, limit: int, new_id: str) -> list[str]:
    """The ids that go once the backup `new_id` is safe, down to the quota; none where it cannot be restored."""
    new = [held for held in backups if held.id == new_id and _counts_for_the_floor(held)]
    if not new or limit <= 0:
        return []
    others = [held for held in backups if held.id != new_id]
    return _oldest(others, used(_counted(backups)) - limit, floor=0)


def preview(backups: Sequence[Held], *, limit: int, rotation: str) -> list[str]:
    """The ids that the next scheduled run removes, before and after, if it succeeds."""
    if limit <= 0 or blocked_by_kept(backups, limit=limit):
        return []
    first = to_remove_before(backups, limit=limit, removed_already=0) if rotation == "before" else []
    left = [held for held in backups if held.id not in first]
    return first + _oldest(left, used(_counted(left)) + 1 - limit, floor=0)


def blocked_by_kept(backups: Sequence[Held], *, limit: int) -> bool:
    """Whether kept backups fill the quota, so that a run is refused. Those out of reach hold nothing up."""
    kept = [held for held in _counted(backups) if held.kept and not held.missing and held.storage_usable]
    return len(kept) >= limit > 0


def room_needed(backups: Sequence[Held], *, on_storage: str) -> int | None:
    """The bytes a new backup is likely to take: as many as the newest restorable one on that storage.

    None where nothing is known, as on PBS: its sizes are logical.
    """
    there = [held for held in backups if held.storage == on_storage and held.frees_space and held.restorable]
    sizes = [held.size for held in sorted(there, key=_age) if held.size]
    return sizes[-1] if sizes else None


def room_reason(available: int | None, needed: int | None, freed: int) -> bool:
    """Whether there is room, all in bytes: `freed` is what goes before. Unknown (None) is not a refusal."""
    return available is None or needed is None or available + freed >= needed


def _age(held: Held) -> tuple[datetime, str]:
    return held.created_at, held.id


def _counted(backups: Sequence[Held]) -> list[Held]:
    return [held for held in backups if held.kind != "safety"]


def _may_go(held: Held) -> bool:
    return not held.kept and not held.missing and held.storage_usable


def _counts_for_the_floor(held: Held) -> bool:
    """A safety copy does not: it goes by itself after its days. Nor one that cannot be reached."""
    return held.restorable and not held.missing and held.storage_usable and held.kind != "safety"


def _oldest(backups: Sequence[Held], count: int, *, floor: int) -> list[str]:
    """The ids of the `count` oldest that may go, while `floor` restorable ones are left."""
    restorable = sum(map(_counts_for_the_floor, backups))
    chosen: list[str] = []
    for held in sorted(_counted(backups), key=_age):
        precious = _counts_for_the_floor(held)
        if len(chosen) < count and _may_go(held) and not (precious and restorable <= floor):
            restorable -= precious
            chosen.append(held.id)
    return chosen
