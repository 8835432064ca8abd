"""The last 30 days of a service in pictures: what came of each day, and the sizes of the good backups."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from ..errors import Message
from ..models import Backup, Operation, Service, now

DAYS = 30
RANK = {"good": 4, "failed": 3, "missed": 2, "skipped": 1}
"""What a day with several backups is shown as."""

STATES = {"done": "good", "failed": "failed", "missed": "missed", "refused": "failed", "skipped": "skipped"}
NOTHING = Message("no backup planned")
TEXTS = {
    "done": Message("good backup"), "failed": Message("backup failed"), "missed": Message("backup missed"),
    "refused": Message("backup refused"), "skipped": Message("skipped, there was a backup already"),
}  # fmt: skip
HEIGHT = 32
MARGIN = 5


@dataclass(frozen=True)
class PastBackup:
    """How a backup ended. `size` is that of the good archive it made, else None."""

    operation_id: str
    state: str
    slot_date: str | None
    created_at: datetime
    seconds: float | None
    size: int | None


def load(session: Session, service: Service, operation_ids: Sequence[str | None]) -> list[PastBackup]:
    """The ended backups of the last 30 days and the operations given, oldest first; one query."""
    good = (
        Backup.disks > 0, Backup.size > 0, Backup.verification != "failed", Backup.damaged_at.is_(None)
    )  # fmt: skip
    made = and_(Backup.operation_id == Operation.id, Backup.service_id == Operation.service_id, *good)
    columns = (
        Operation.id, Operation.state, Operation.slot_date, Operation.created_at, Operation.started_at,
        Operation.finished_at, Backup.size,
    )  # fmt: skip
    recent = Operation.created_at >= now() - timedelta(days=DAYS + 1)
    listed = Operation.id.in_([key for key in operation_ids if key])
    rows = select(*columns).outerjoin(Backup, made).where(
        Operation.service_id == service.id, Operation.client_id == service.client_id,
        Operation.kind == "backup", Operation.state.in_(STATES), or_(recent, listed),
    )  # fmt: skip
    return [
        PastBackup(key, state, slot, created, (end - start).total_seconds() if start and end else None, size)
        for key, state, slot, created, start, end, size in session.execute(rows.order_by(Operation.created_at))
    ]


def durations(past: Sequence[PastBackup]) -> dict[str, float]:
    """How many seconds each backup took that was made, by its operation's id."""
    return {one.operation_id: one.seconds for one in past if one.state == "done" and one.seconds is not None}


def usual_duration(past: Sequence[PastBackup]) -> float | None:
    """About how many seconds a backup takes; None if none was made lately."""
    took = list(durations(past).values())
    return statistics.median(took) if took else None


def facts(past: Sequence[PastBackup], timezone: str) -> dict[str, Any]:
    """`days` (30, oldest first: `at state text`), `counts` by state, and `curve`."""
    today = now().astimezone(ZoneInfo(timezone)).date()
    dates = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    found = _by_day(past, timezone)
    days = [_day(day, found.get(day), timezone) for day in dates]
    counts = Counter(day["state"] for day in days)
    return {"days": days, "counts": counts, "curve": _curve(past, now() - timedelta(days=DAYS))}


def _by_day(past: Sequence[PastBackup], timezone: str) -> dict[date, str]:
    """The end of the backup that counts most on each date: a good one, else what went wrong."""
    found: dict[date, str] = {}
    for one in past:
        local = one.created_at.astimezone(ZoneInfo(timezone)).date()
        day = date.fromisoformat(one.slot_date) if one.slot_date else local
        if RANK[STATES[one.state]] > RANK.get(STATES.get(found.get(day, ""), ""), 0):
            found[day] = one.state
    return found


def _day(day: date, end: str | None, timezone: str) -> dict[str, Any]:
    at = datetime.combine(day, time(12), ZoneInfo(timezone))
    return {"at": at, "state": STATES[end] if end else "none", "text": TEXTS[end] if end else NOTHING}


def _curve(past: Sequence[PastBackup], since: datetime) -> dict[str, Any] | None:
    """The sizes of the good backups, removed ones too, as points of a picture of 100 by 32; None below two."""
    found = [(one.created_at, one.size) for one in past if one.size and one.created_at >= since]
    if len(found) < 2:  # noqa: PLR2004 - one point is no curve
        return None
    sizes = [size for _, size in found]
    low, spread = min(sizes), max(max(sizes) - min(sizes), 1)
    level = HEIGHT - 2 * MARGIN
    points = (
        f"{at * 100 / (len(sizes) - 1):.1f},{HEIGHT - MARGIN - (size - low) * level / spread:.1f}"
        for at, size in enumerate(sizes)
    )
    whole = found[0][0] - since < timedelta(days=2)
    return {"points": " ".join(points), "oldest": sizes[0], "newest": sizes[-1], "whole": whole}
