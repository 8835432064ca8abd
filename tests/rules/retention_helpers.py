"""Calls of the retention rules with short arguments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from puq_backups.rules import retention
from puq_backups.rules.retention import BackupInfo

START = datetime(2026, 11, 1, 2, 0, tzinfo=UTC)

DAY = timedelta(days=1)

GIB = 1024**3


def before(backups: list[BackupInfo], limit: int, removed: int = 0) -> list[str]:
    return retention.to_remove_before(backups, limit=limit, removed_already=removed)


def after(backups: list[BackupInfo], limit: int, new: BackupInfo) -> list[str]:
    return retention.to_remove_after([*backups, new], limit=limit, new_id=new.id)


def next_removals(backups: list[BackupInfo], limit: int, rotation: str) -> list[str]:
    before, after = retention.next_removals(backups, limit=limit, rotation=rotation)
    return before + after
