"""States of the schedule and of the quota."""

from __future__ import annotations

from datetime import timedelta

from .prepared_host import NOW, PreparedService
from .registry import days, quiet, state


@state(step="runs")
def next_runs_open(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.backup(NOW - days(12), "before upgrade", size=7.9)
    prepared.backup(NOW - days(13), "", size=7.9)


@state()
def no_schedule(prepared: PreparedService) -> None:
    prepared.backup(NOW - days(12), "before upgrade")
    prepared.backup(NOW - days(40), "the first one", size=7.5)


@state()
def first_use(prepared: PreparedService) -> None:
    pass


@state()
def first_backup_planned(prepared: PreparedService) -> None:
    prepared.schedule((1, 3, 5), "22:00")


@state(quota=7)
def quota_full(prepared: PreparedService) -> None:
    quiet(prepared)


@state(quota=3)
def quota_lowered(prepared: PreparedService) -> None:
    quiet(prepared)


@state(quota=3)
def all_kept(prepared: PreparedService) -> None:
    prepared.schedule()
    prepared.nightly(2, 1, 0, kept=True)
    prepared.month()


@state(quota=0)
def no_backups_in_package(prepared: PreparedService) -> None:
    pass


@state(quota=1)
def quota_of_one(prepared: PreparedService) -> None:
    prepared.schedule()
    prepared.nightly(0)
    prepared.month()


@state()
def tonight_skipped(prepared: PreparedService) -> None:
    prepared.schedule(time="22:00")
    prepared.backup(NOW - timedelta(hours=1), "by hand")
    prepared.month()


@state(step="wrong_time")
def schedule_error(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="unsaved")
def schedule_unsaved(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="stale")
def schedule_changed_meanwhile(prepared: PreparedService) -> None:
    quiet(prepared)
