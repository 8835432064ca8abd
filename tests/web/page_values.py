"""Values as the view hands them to the client's page, and the states of that page."""

import copy
import datetime as dt
import types
from typing import Any

from puq_backups.client_area import backup_list
from puq_backups.errors import Message

WHEN = dt.datetime(2026, 7, 1, 3, 0, 5, tzinfo=dt.UTC)
NOTHING_AGAINST = dict.fromkeys(("restore", "remove", "keep", "note", "undo", "delete", "release"))


def a_backup(number: int, **changes: Any) -> dict[str, Any]:
    """Backup `number`, one day older with each; `urls` as the web part makes them."""
    at = f"/s/1/backups/b{number}"
    return {
        "id": f"b{number}",
        "created_at": WHEN - dt.timedelta(days=number),
        "note": f"Note {number}",
        "size": 300 * 1024**3,
        "kind": "manual",
        "kept": False,
        "expires_at": None,
        "missing": False,
        "restorable": True,
        "verified": None,
        "damaged": False,
        "binned_until": None,
        "seconds": 240.0,
        "urls": {action: f"{at}/{action}" for action in ("look", *NOTHING_AGAINST)},
        "reason_against": dict(NOTHING_AGAINST),
        **changes,
    }


def an_operation(**changes: Any) -> dict[str, Any]:
    """A running backup, or what `changes` make of it."""
    return {
        "id": "o1",
        "kind": "backup",
        "origin": "manual",
        "state": "running",
        "step": "Reading the disks",
        "progress": 42,
        "bytes": None,
        "seconds_left": None,
        "expected_start": None,
        "expected_end": None,
        "queue_position": None,
        "reason": None,
        "warnings": [],
        "started_at": WHEN,
        "finished_at": None,
        "size": None,
        "seconds": None,
        "cancellable": False,
        "urls": {action: f"/s/1/backups/operations/o1/{action}" for action in ("retry", "cancel", "back")},
        **changes,
    }


def a_run(index: int, **changes: Any) -> dict[str, Any]:
    """The scheduled run `index`, which removes nothing."""
    at = WHEN + dt.timedelta(days=index)
    return {
        "index": index,
        "at": at,
        "outcome": "runs",
        "reason": None,
        "removes": [],
        "removes_later": [],
        "place": 2,
        **changes,
    }


def values(**changes: Any) -> dict[str, Any]:
    """What the view hands to the page: a quiet service with ten places and one backup."""
    days = [{"day": day, "enabled": day == 1, "time": "03:00"} for day in range(7)]
    at = "/s/1/backups"
    backups = changes.get("backups", [a_backup(1)])
    listing = backup_list.select_page([types.SimpleNamespace(**backup) for backup in backups], {})[1]
    noon = [{"at": WHEN - dt.timedelta(days=days), "state": "none", "text": Message("-")} for days in range(30)]
    return {
        "service": {"id": "1", "name": "web-1", "status": "running"},
        "listing": {**listing, **backup_list.urls(listing, lambda **query: f"{at}/")},
        "history": {"days": noon[::-1], "counts": {"none": 30}, "curve": None},
        "runs": [],
        "clock_change": None,
        "edit": "",
        "bin_hours": 24,
        "urls": {
            "page": f"{at}/",
            "state": f"{at}/state",
            "schedule": f"{at}/schedule",
            "create": f"{at}/create",
            "reinstall": f"{at}/reinstall",
            "stylesheet": "backups.css",
            "script": "backups.js",
        },
        "csrf_token": "the-token",
        "quota": {"used": 1, "limit": 10},
        "quota_places": {"coming": 0, "kept": 0, "blocked": False},
        "protection": {
            "state": "protected",
            "tone": "ok",
            "mark": "check",
            "sentence": Message("Last good backup: {last}.", last=WHEN),
            "last_good_at": WHEN,
            "since": WHEN,
            "silent": None,
            "host_url": "",
        },
        "schedule": {
            "timezone": "Europe/Warsaw",
            "days": days,
            "next_run": None,
            "next_removal": [],
            "emptied": [],
            "next_outcome": "none",
            "next_reason": None,
            "skip_notice": None,
            "notice": None,
            "version": "v1",
        },
        "timezones": ["Europe/Kyiv", "Europe/Warsaw", "UTC"],
        "backups": [a_backup(1)],
        "operation": None,
        "last_operation": None,
        "locked": False,
        "lock_reason": None,
        "busy_reason": None,
        "against_all": None,
        "restore_failed": None,
        "may": dict.fromkeys(
            ("create", "schedule", "restore", "remove", "keep", "cancel", "retry", "back", "reinstall")
        ),
        "errors": {},
        "message": None,
        "refusal": None,
        "form": {},
        "safety_copy": "off",
        "snapshots": None,
        **copy.deepcopy(changes),
    }


NO_BACKUPS = {
    "state": "unscheduled", "tone": "idle", "mark": "minus",
    "sentence": Message("Your package includes no backups."), "last_good_at": None, "since": WHEN,
    "silent": None, "host_url": "",
}  # fmt: skip
BUSY = Message("A backup of this virtual machine is running.")
BY_BUSY = {"lock_reason": BUSY, "busy_reason": BUSY}
EVERY_STATE: dict[str, dict[str, Any]] = {
    "quiet": {},
    "empty": {"backups": []},
    "no quota": {"backups": [], "quota": {"used": 0, "limit": 0}, "protection": NO_BACKUPS},
    "waiting": {"operation": an_operation(state="waiting", queue_position=2, cancellable=True)},
    "running": {"operation": an_operation(cancellable=True), "locked": True, **BY_BUSY},
    "stuck": {"operation": an_operation(state="stuck", progress=None), "locked": True},
    "locked by staff": {"locked": True, **BY_BUSY},
    "restore failed": {
        "restore_failed": {
            "reason": Message("The storage {storage} is full.", {"storage": "nfs"}),
            "operation_id": "o1",
            "kind": "restore",
            "same": None,
            "at": WHEN,
            "cause": None,
            "raw": None,
            "damaged": False,
            "backup": {"created_at": WHEN, "note": "Note 1"},
            "choices": [{"id": "b1", "created_at": WHEN, "note": "Note 1"}],
            "safety_copy": {"id": "b1", "created_at": WHEN},
            "urls": an_operation()["urls"],
        }
    },
    "removal ahead": {
        "schedule": {**values()["schedule"], "next_run": WHEN, "next_removal": ["b1"], "notice": BUSY},
        "runs": [a_run(0), a_run(1, removes=[a_backup(1)])],
    },
    "refused next": {"runs": [a_run(0, outcome="refused", reason=BUSY)]},
    "skipped next": {"runs": [a_run(0, outcome="skipped", reason=BUSY)]},
    "in the bin": {"backups": [a_backup(1, binned_until=WHEN), a_backup(2)]},
    "odd backups": {
        "backups": [
            a_backup(1, kind="safety", kept=True, expires_at=WHEN),
            a_backup(2, kind="adopted", missing=True, size=None, restorable=False, note=""),
            a_backup(3, kind="scheduled", restorable=False),
        ]
    },
}
