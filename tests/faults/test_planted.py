"""A product that is broken on purpose is found out by a run, as the small journals of test_rules.py are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from faults import actions, clock_and_worker, foreign_archives, rules, run

from puq_backups.inventory import service_backups
from puq_backups.operations import proxmox_calls
from puq_backups.rules import next_run, retention
from puq_backups.whmcs import dispatch

DAYS = 2.5 * 86_400


def rotates_everything(backups: Any, **_: Any) -> list[str]:
    return [backup.id for backup in backups]


def no_slot(*_: Any, **__: Any) -> next_run.DueSlots:
    return next_run.DueSlots()


def nothing(*_: Any, **__: Any) -> int:
    return 0


def days(played: run.Run) -> None:
    """Days in which runs rotate before."""
    for tenant in played.tenants:
        tenant.package["rotation"] = "before"
        played.host("ChangePackage", tenant)
    clock_and_worker.live(played, DAYS)


def removals(played: run.Run) -> None:
    """Each client deletes a backup."""
    for tenant in played.tenants:
        actions.delete(played, tenant)
    clock_and_worker.live(played, 600)


def intruders(played: run.Run) -> None:
    """Somebody asks for the backups of others."""
    for tenant in played.tenants * 3:
        actions.intrude(played, tenant)


def imports(played: run.Run) -> None:
    """Days in which runs rotate, with archives that others made and an import took over."""
    for tenant in played.tenants:
        foreign_archives.back_up_by_hand(played, tenant)
        played.clock.advance(600)
        assert foreign_archives.import_archives(played, tenant) == "known"
        tenant.package["backups"] = 1
    days(played)


def counts(*_: Any) -> bool:
    return True


PLANTS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], Callable[[run.Run], None]]] = {
    "1:": (lambda: mock.patch.object(retention, "to_remove_before", rotates_everything), days),
    "not released": (lambda: mock.patch.object(service_backups.Inventory, "counts", counts), imports),
    "3:": (lambda: mock.patch.object(next_run, "due_slots", no_slot), days),
    "5:": (lambda: mock.patch.object(proxmox_calls, "audit", nothing), removals),
    "7:": (lambda: mock.patch.object(dispatch, "_check_owner", nothing), intruders),
}
"""By a part of what is said: what is broken in the product, and what is played then."""


@pytest.mark.slow
@pytest.mark.parametrize("said", PLANTS)
def test_planted_break_is_found(said: str, tmp_path: Path) -> None:
    plant, play = PLANTS[said]
    with run.begun(1, tmp_path) as played:
        with plant():
            play(played)
        run.come_to_rest(played)

    assert any(said in sentence for sentence in rules.broken(played.record))
