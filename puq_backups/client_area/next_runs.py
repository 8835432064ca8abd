"""The next five scheduled runs: when each is due, and what it does if the ones before it succeed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ..config import Settings
from ..inventory import run_decision
from ..inventory.service_backups import Inventory
from ..models import Backup, now
from ..rules import retention
from ..rules.next_run import upcoming
from ..rules.run_decision import decide
from ..rules.schedule import Schedule

RUNS = 5
FactsOf = Callable[[Backup], dict[str, Any]]


def facts(settings: Settings, inventory: Inventory, facts_of: FactsOf) -> list[dict[str, Any]]:
    """`index at outcome reason removes removes_later place` of each run, soonest first.

    `removes` are the facts (from `facts_of`) of backups that exist, `removes_later` backups that earlier runs make.

    The first run is decided as it would be now. Later ones have no reason to be skipped that is known yet. `place`
    is the place of the quota that the run fills, None if it removes backups or makes none.
    """
    service = inventory.service
    if service.next_run_at is None:
        return []
    slots = upcoming(Schedule.from_json(service.schedule), service.next_run_at - timedelta(microseconds=1), RUNS)
    coming = [
        _made(f"coming-{number}", now())
        for number in range(inventory.used() - retention.used_places(inventory.for_rotation()))
    ]
    now_so = run_decision.run_facts(settings, inventory, service.next_run_date)
    state = replace(now_so, backups=[*now_so.backups, *coming])
    by_id = {backup.id: backup for backup in inventory.backups}
    found = []
    for index, at in enumerate([slot.at for slot in slots] or [service.next_run_at]):
        decided = decide(state)
        gone = {*decided.removes, *decided.emptied}
        dates = {backup.id: backup.created_at for backup in state.backups}
        removes = [facts_of(by_id[key]) for key in decided.removes if key in by_id]
        later = [{"created_at": dates[key], "note": ""} for key in decided.removes if key not in by_id]
        left = [backup for backup in state.backups if backup.id not in gone]
        made = [_made(f"run-{index}", at)] if decided.outcome == "runs" else []
        state = replace(state, backups=[*left, *made], has_todays=False)
        place = retention.used_places(state.backups) if made and not decided.removes else None
        found.append({
            "index": index, "at": at, "outcome": decided.outcome, "reason": decided.reason, "removes": removes,
            "removes_later": later,
            "place": place,
        })  # fmt: skip
    return found


def clock_change(schedule: Schedule, runs: Sequence[dict[str, Any]]) -> datetime | None:
    """Noon of the day on which the clocks of the schedule's zone change, if that is before the last of the runs."""
    if not runs:
        return None
    zone = ZoneInfo(schedule.timezone)
    noon = now().astimezone(zone).replace(hour=12, minute=0, second=0, microsecond=0)
    offset = noon.utcoffset()
    while noon <= runs[-1]["at"] + timedelta(days=1):
        if noon.utcoffset() != offset:
            return noon
        noon = (noon.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    return None


def _used(inventory: Inventory) -> int:
    return retention.used_places(inventory.for_rotation())


def _made(key: str, at: datetime) -> retention.BackupInfo:
    """A backup that does not exist yet."""
    return retention.BackupInfo(
        id=key, created_at=at, size=None, kind="scheduled", kept=False, missing=False, restorable=True, storage=""
    )
