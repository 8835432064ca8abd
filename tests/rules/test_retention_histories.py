"""Random histories of a service: rotation never removes the last restorable backup."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.thorough import examples

from puq_backups.rules import retention
from puq_backups.rules.retention import BackupInfo

from .retention_helpers import DAY, GIB, START, next_removals


@dataclass
class Service:
    """A service whose backups come, go and change; `rotate` holds each removal of ours to the rules."""

    limit: int = 3
    rotation: str = "before"
    backups: list[BackupInfo] = field(default_factory=list)
    clock: datetime = START
    offline: bool = False
    made: int = 0

    def listed(self) -> list[BackupInfo]:
        """The input of rotation: the storage "nas" may be offline."""
        return [
            replace(one, storage_usable=False, restorable=False) if self.offline and one.storage == "nas" else one
            for one in self.backups
        ]

    def add(self, kind: str, *, restorable: bool, storage: str) -> str:
        self.made += 1
        self.clock += DAY
        name = f"b{self.made}"
        self.backups.append(BackupInfo(name, self.clock, GIB, kind, False, False, restorable, storage))
        return name

    def quota_used(self) -> int:
        return sum(1 for one in self.backups if not one.missing and one.kind != "safety")

    def safe(self) -> int:
        """Backups that are restorable now and do not expire by themselves."""
        return sum(1 for one in self.listed() if one.restorable and not one.missing and one.kind != "safety")

    def remove(self, names: list[str]) -> None:
        gone = [one for one in self.listed() if one.id in names]
        safe = self.safe()
        assert len(gone) == len(names)
        assert all(not (one.kept or one.missing or one.kind == "safety") and one.storage_usable for one in gone)
        self.backups = [one for one in self.backups if one.id not in names]
        assert self.safe() > 0 or safe == 0

    def scheduled(self, outcomes: list[str], storage: str) -> None:
        """One slot with its attempts, each "failed", "corrupt" or "good"."""
        promised = next_removals(self.listed(), self.limit, self.rotation)
        removed: list[str] = []
        for outcome in outcomes:
            if self.limit == 0 or retention.blocked_by_kept(self.listed(), limit=self.limit):
                break
            if self.rotation == "before":
                full = self.quota_used() >= self.limit
                going = retention.to_remove_before(self.listed(), limit=self.limit, removed_already=len(removed))
                assert len(going) <= (1 if full and not removed else 0)
                self.remove(going)
                removed += going
            if outcome != "failed":
                removed += self.finish(outcome, storage)
                break
        assert set(removed) <= set(promised)
        if outcomes[-1] == "good" and not (self.offline and storage == "nas"):
            assert removed == promised

    def finish(self, outcome: str, storage: str) -> list[str]:
        new = self.add("scheduled", restorable=outcome == "good", storage=storage)
        going = retention.to_remove_after(self.listed(), limit=self.limit, new_id=new)
        others = [one for one in self.listed() if one.id not in {new, *going}]
        assert len(going) <= max(self.quota_used() - self.limit, 0)
        assert new not in going
        self.remove(going)
        if outcome == "good" and not self.offline and not any(one.kept for one in others):
            assert self.quota_used() <= self.limit
        return going

    def change(self, number: int, **facts: Any) -> None:
        """Change one backup by an outside event."""
        if self.backups:
            place = number % len(self.backups)
            self.backups[place] = replace(self.backups[place], **facts)

    def manual(self, number: int) -> None:
        if self.quota_used() < self.limit:
            self.add("manual", restorable=number % 5 > 0, storage=STORAGES[number % 2])

    def taken_away(self, number: int) -> None:
        """Removal by a person, or expiry of a safety copy: rotation rules do not apply."""
        if self.backups:
            self.backups.pop(number % len(self.backups))

    def a_slot(self, number: int) -> None:
        self.scheduled(OUTCOMES[number % len(OUTCOMES)], STORAGES[number // 8 % 2])


STORAGES = ("nas", "other")

OUTCOMES = [["good"], ["good"], ["failed", "good"], ["failed"] * 4, ["failed", "corrupt"], ["corrupt"]]

LIFE: list[Callable[[Service, int], object]] = [
    *[Service.a_slot] * 5,
    Service.manual,
    Service.taken_away,
    lambda service, number: service.change(number, kept=number % 3 > 0),
    lambda service, number: service.change(number, missing=number % 3 > 0, restorable=number % 3 == 0),
    lambda service, number: service.change(number, restorable=False),
    lambda service, number: service.add("safety", restorable=True, storage=STORAGES[number % 2]),
    lambda service, number: setattr(service, "limit", (1, 2, 3, 5, 0)[number % 5]),
    lambda service, number: setattr(service, "rotation", ("before", "after")[number % 2]),
    lambda service, number: setattr(service, "offline", number % 2 == 0),
    # The clock is set forward or back, by years.
    lambda service, number: setattr(service, "clock", service.clock + (number - 128) * 7 * DAY),
]


@settings(max_examples=examples(10_000))
@given(st.binary(min_size=8, max_size=60))
def test_no_history_loses_the_last_restorable_backup_or_more_than_rotation_may_take(life: bytes) -> None:
    service = Service()
    for what, number in zip(life[::2], life[1::2], strict=False):
        LIFE[what % len(LIFE)](service, number)
