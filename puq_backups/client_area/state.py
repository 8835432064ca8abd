"""The JSON of `/state`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..errors import Message

OPERATION = (
    "id", "kind", "state", "step", "progress", "bytes", "seconds_left", "queue_position", "expected_start", "reason",
)  # fmt: skip
PROTECTION = ("state", "sentence", "last_good_at")
BACKUP = (
    "id", "created_at", "note", "size", "kind", "kept", "missing", "restorable", "verified", "damaged",
    "binned_until",
)  # fmt: skip
LISTING = ("kind", "page", "pages", "total", "all", "newest")


def state_json(found: dict[str, Any]) -> dict[str, Any]:
    """The result of `page.facts` as JSON types: times as ISO 8601 UTC with Z, reasons as sentences."""
    schedule = found["schedule"]
    return {
        "vm": {"name": found["service"]["name"], "status": found["service"]["status"]},
        "quota": found["quota"],
        "protection": _chosen(found["protection"], PROTECTION),
        "locked": found["locked"],
        "lock_reason": _json_value(found["lock_reason"]),
        "restore_failed": found["restore_failed"] is not None,
        "operation": _chosen(found["operation"], OPERATION),
        "last_operation": _chosen(found["last_operation"], OPERATION),
        "backups": [_chosen(backup, BACKUP) for backup in found["backups"]],
        "listing": _chosen(found["listing"], LISTING),
        "schedule": {"timezone": schedule["timezone"], "days": schedule["days"]},
        "next_run": _json_value(schedule["next_run"]),
        "next_removal": schedule["next_removal"],
        "next_outcome": schedule["next_outcome"],
        "next_reason": _json_value(schedule["next_reason"]),
    }


def _chosen(facts: dict[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    return {name: _json_value(facts[name]) for name in names} if facts else None


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Message) else value
