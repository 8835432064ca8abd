"""What rotation may remove: the oldest, never a kept one, never the last that can be restored. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Held:
    """A backup as rotation sees it. `size` in bytes, None unknown; `frees_space` is False on PBS."""

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


def _oldest_first(backups: Sequence[Held]) -> list[Held]:
    return sorted(backups, key=lambda held: (held.created_at, held.id))


def _may_go(held: Held) -> bool:
    return not held.kept and not held.missing and held.storage_usable and held.kind != "safety"


def _choose(backups: Sequence[Held], count: int, spare: set[str]) -> list[str]:
    """The oldest `count` that may go, leaving at least one restorable backup."""
    restorable = sum(held.restorable for held in backups)
    chosen: list[str] = []
    for held in _oldest_first(backups):
        if len(chosen) >= count:
            break
        if not _may_go(held) or held.id in spare or (held.restorable and restorable <= 1):
            continue
        restorable -= held.restorable
        chosen.append(held.id)
    return chosen


def to_remove_before(backups: Sequence[Held], *, limit: int, removed_already: int) -> list[str]:
    """What goes before a new backup is made: at most one over all attempts of a slot, none if a place is free.

    With a quota of 1 nothing goes first: the only backup stays until the new one is safe.
    """
    counted = [held for held in backups if held.kind != "safety"]
    if limit <= 1 or removed_already > 0 or used(counted) < limit:
        return []
    return _choose(backups, 1, set())


def to_remove_after(backups: Sequence[Held], *, limit: int, new_id: str) -> list[str]:
    """What goes once the backup `new_id` is safe, down to the quota; nothing where it cannot be restored."""
    new = next((held for held in backups if held.id == new_id), None)
    if new is None or not new.restorable or limit <= 0:
        return []
    excess = used([held for held in backups if held.kind != "safety"]) - limit
    return _choose(backups, excess, {new_id}) if excess > 0 else []


def preview(backups: Sequence[Held], *, limit: int, rotation: str) -> list[str]:
    """What the next scheduled run will remove, before and after, if it succeeds."""
    if limit <= 0 or blocked_by_kept(backups, limit=limit):
        return []
    first = to_remove_before(backups, limit=limit, removed_already=0) if rotation == "before" else []
    left = [held for held in backups if held.id not in first]
    excess = used([held for held in left if held.kind != "safety"]) + 1 - limit
    # The new backup is restorable by then: the last one of today may go.
    restorable = [held.id for held in left if _may_go(held)]
    order = [held.id for held in _oldest_first(left) if held.id in restorable]
    return first + order[: max(excess, 0)]


def blocked_by_kept(backups: Sequence[Held], *, limit: int) -> bool:
    """Whether the quota is full of kept backups, so that nothing can make room."""
    counted = [held for held in backups if not held.missing and held.kind != "safety"]
    return limit > 0 and sum(held.kept for held in counted) >= limit


def room_needed(backups: Sequence[Held], *, on_storage: str) -> int | None:
    """The size a new backup is likely to have: that of the newest known on the storage. None: unknown."""
    sizes = [held.size for held in reversed(_oldest_first(backups)) if held.size and held.storage == on_storage]
    return sizes[0] if sizes else None


def room_reason(available: int | None, needed: int | None, freed: int) -> bool:
    """Whether there is room, as far as is known; unknown is not a refusal."""
    return available is None or needed is None or available + freed >= needed
