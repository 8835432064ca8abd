"""How far a running operation is and when a waiting one is likely to start, from what is known of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..models import Operation, Service, now

EARLY = 3
"""Percent from which the time left is worth telling."""
RUNNING = ("running", "stuck")


def times(
    session: Session,
    settings: Settings,
    operation: Operation,
    service: Service,
    place: int | None,
    usual: float | None,
) -> dict[str, Any]:
    """`bytes` (done, total, rate a second), `seconds_left`, `expected_start` and `expected_end`, each or None.

    `place` is the operation's place in the queue, `usual` how many seconds a backup takes.
    """
    found: dict[str, Any] = {"bytes": None, "seconds_left": None, "expected_start": None, "expected_end": None}
    if operation.state == "waiting":
        found["expected_start"] = (
            expected_start(session, settings, service, place, usual) if place and usual else None
        )
    elif operation.state == "running" and operation.started_at:
        found |= _progress(operation)
    return found


def _progress(operation: Operation) -> dict[str, Any]:
    moved = operation.data.get("bytes")
    left = _left(operation, moved)
    return {
        "bytes": {"done": moved["done"], "total": moved["total"], "rate": moved.get("rate")} if moved else None,
        "seconds_left": left, "expected_end": now() + timedelta(seconds=left) if left else None,
    }  # fmt: skip


def _left(operation: Operation, moved: dict[str, Any] | None) -> int | None:
    """Seconds until all data are there: by the rate where it is known, else by the share done since the start."""
    if moved and moved.get("rate"):
        return max(int((moved["total"] - moved["done"]) / moved["rate"]), 1)
    passed = (now() - operation.started_at).total_seconds() if operation.started_at else 0.0
    if not operation.progress or operation.progress < EARLY or passed < 1:
        return None
    return max(round(passed * (100 - operation.progress) / operation.progress), 1)


def expected_start(session: Session, settings: Settings, service: Service, place: int, usual: float) -> datetime:
    """About when the waiting operation at `place` starts: each one before it takes the `usual` seconds."""
    running = select(Operation.started_at).join(Service, Service.id == Operation.service_id).where(
        Service.server_id == service.server_id, Service.node == service.node, Operation.kind == "backup",
        Operation.state.in_(RUNNING),
    )  # fmt: skip
    passed = [(now() - start).total_seconds() for start in session.scalars(running) if start]
    left = sorted(max(usual - seconds, 0) for seconds in passed)
    free = max(settings.per_node, 1) - len(left)
    if place <= free:
        return now()
    rounds, lane = divmod(place - free - 1, max(len(left), 1))
    return now() + timedelta(seconds=(left[lane] if left else 0) + rounds * usual)
