"""The data of the client's page and of `/state`, from the database only (no Proxmox call)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..host import Actor
from ..inventory import locks, policy, run_decision, service_backups
from ..models import ENDED_STATES, Backup, Operation, Service, now
from ..operations import backup as backup_steps
from ..operations import queue
from ..operations import reinstall as reinstall_steps
from ..operations import remove as remove_steps
from ..operations import restore as restore_steps
from ..rules.schedule import Schedule

LABELS: dict[str, dict[str, str]] = {
    "backup": backup_steps.LABELS, "restore": restore_steps.LABELS, "remove": remove_steps.LABELS,
    "reinstall": reinstall_steps.LABELS,
}  # fmt: skip
ACTIONS = ("create", "schedule", "restore", "remove", "keep", "cancel")

OF_A_BACKUP = ("restore", "remove", "keep", "note", "undo", "delete", "release")
VERIFIED = {"ok": True, "failed": False}


def facts(session: Session, context: Context, service: Service, actor: Actor) -> dict[str, Any]:
    """The variables of the page's template, except URLs, form and CSRF token. Times are aware datetimes."""
    inventory = service_backups.load_inventory(session, service)
    current = inventory.running or next(iter(inventory.waiting), None)
    running = inventory.running
    lock = locks.lock_reason_of(service, running)
    failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
    return {
        "service": {"id": service.id, "name": service.vm_name, "status": service.vm_status},
        "quota": {"used": inventory.used(), "limit": service.quota},
        "schedule": _schedule(context, service, inventory),
        "protection": {
            "state": service.protection,
            "sentence": Message.from_json(service.protection_reason),
            "last_good_at": service.last_good_at,
            "since": service.protection_since,
        },
        "backups": [_backup(inventory, actor, backup) for backup in inventory.backups],
        "operation": _operation(session, service, current),
        "last_operation": _operation(session, service, _last_ended(session, service)),
        "locked": lock is not None,
        "lock_reason": lock,
        "restore_failed": _failed_restore(inventory, actor, failed) if failed else None,
        "may": {name: _reason_against(name, inventory, actor) for name in ACTIONS}
        | _after_failed_restore(context, inventory, actor, failed),
        "safety_copy": policy.safety_copy_mode(context.settings, service),
        "snapshots": (running.data.get("snapshots") if running else None),
    }


def _reason_against(
    action: str, inventory: service_backups.Inventory, actor: Actor, backup: Backup | None = None
) -> Message | None:
    return policy.forbidden(action, actor) or policy.reason_against(
        action, inventory, backup, is_staff=actor.is_staff
    )


def _schedule(context: Context, service: Service, inventory: service_backups.Inventory) -> dict[str, Any]:
    stored = Schedule.from_json(service.schedule).to_json()
    decided = run_decision.decide_run(context.settings, inventory, service.next_run_date)
    skip = None
    if decided.outcome == "skipped":
        skip = Message("The next run will be skipped: there is a backup of that day already.")
    past = service.next_run_at is not None and service.next_run_at <= now()
    notice = Message("Today's time is already past: the backup of today starts now.") if past else None
    return {
        **stored, "next_run": service.next_run_at, "next_removal": decided.removes, "emptied": list(decided.emptied),
        "next_outcome": decided.outcome, "next_reason": decided.reason, "skip_notice": skip, "notice": notice,
    }  # fmt: skip


def _backup(inventory: service_backups.Inventory, actor: Actor, backup: Backup) -> dict[str, Any]:
    return {
        "id": backup.id, "created_at": backup.created_at, "note": backup.note, "size": backup.size,
        "kind": backup.kind, "kept": backup.kept, "expires_at": backup.expires_at,
        "missing": backup.missing_at is not None, "verified": VERIFIED.get(backup.verification),
        "restorable": inventory.restorable(backup) and backup.binned_until is None,
        "damaged": service_backups.is_damaged(backup), "binned_until": backup.binned_until,
        "earlier": inventory.is_earlier(backup), "counts": inventory.counts(backup),
        "reason_against": {name: _reason_against(name, inventory, actor, backup) for name in OF_A_BACKUP},
    }  # fmt: skip


def _last_ended(session: Session, service: Service) -> Operation | None:
    ended = select(Operation).where(Operation.service_id == service.id, Operation.state.in_(ENDED_STATES))
    return session.scalars(ended.order_by(Operation.finished_at.desc(), Operation.created_at.desc()).limit(1)).first()


def step_label(operation: Operation) -> str:
    """The label of an operation's current step, or "" before the first."""
    return LABELS[operation.kind].get(operation.step, "")


def _operation(session: Session, service: Service, operation: Operation | None) -> dict[str, Any] | None:
    if operation is None:
        return None
    stoppable = operation.kind == "backup" and operation.step == "make_archive" and bool(operation.upid)
    return {
        "id": operation.id, "kind": operation.kind, "origin": operation.origin, "state": operation.state,
        "step": step_label(operation), "progress": operation.progress, "transferred": operation.data.get("bytes"),
        "queue_position": queue.position(session, operation, service), "reason": _for_client(operation.reason),
        "warnings": [_for_client(warning) for warning in operation.warnings],
        "started_at": operation.started_at, "finished_at": operation.finished_at,
        "cancellable": operation.state == "waiting" or (operation.state in {"running", "stuck"} and stoppable),
    }  # fmt: skip


def _for_client(stored: dict[str, Any] | None) -> Message | None:
    message = Message.from_json(stored)
    return message.without_paths() if message else None


def _failed_restore(inventory: service_backups.Inventory, actor: Actor, failed: Operation) -> dict[str, Any]:
    """The failed restore. `same` is why its backup cannot be restored again, or None."""
    own = next((backup for backup in inventory.backups if backup.id == failed.backup_id), None)
    copy = inventory.safety_copy_of(failed)
    gone = Message("The backup that was restored is no longer there.")
    return {
        "reason": _for_client(failed.reason), "operation_id": failed.id, "kind": failed.kind,
        "same": _reason_against("retry", inventory, actor, own) if own else gone,
        "safety_copy": {"id": copy.id, "created_at": copy.created_at} if copy else None,
    }  # fmt: skip


def _after_failed_restore(
    context: Context, inventory: service_backups.Inventory, actor: Actor, failed: Operation | None
) -> dict[str, Message | None]:
    """Why retry, going back to the safety copy and reinstall are not possible, by action; None where they are."""
    against = [_reason_against("retry", inventory, actor, backup) for backup in inventory.backups]
    none = Message("There is no backup that could be restored.")
    retry = _reason_against("retry", inventory, actor) or (none if all(against) else None)
    copy = inventory.safety_copy_of(failed) if failed else None
    reinstall = _reason_against("reinstall", inventory, actor) or policy.reinstall_unavailable(
        context.host, inventory.service
    )
    return {"retry": retry, "back": _reason_against("back", inventory, actor, copy), "reinstall": reinstall}


def state_json(found: dict[str, Any]) -> dict[str, Any]:
    """The result of `facts` as JSON types for `/state`: times as ISO 8601 UTC with Z, reasons as sentences."""
    operation_keys = ("id", "kind", "state", "step", "progress", "transferred", "queue_position", "reason")
    protection_keys = ("state", "sentence", "last_good_at")
    backup_keys = (
        "id",
        "created_at",
        "note",
        "size",
        "kind",
        "kept",
        "missing",
        "restorable",
        "verified",
        "damaged",
        "binned_until",
    )
    schedule = found["schedule"]

    def of(operation: dict[str, Any] | None) -> dict[str, Any] | None:
        return {key: _json_value(operation[key]) for key in operation_keys} if operation else None

    return {
        "vm": {"name": found["service"]["name"], "status": found["service"]["status"]},
        "quota": found["quota"],
        "protection": {name: _json_value(found["protection"][name]) for name in protection_keys},
        "locked": found["locked"],
        "lock_reason": _json_value(found["lock_reason"]),
        "restore_failed": found["restore_failed"] is not None,
        "operation": of(found["operation"]),
        "last_operation": of(found["last_operation"]),
        "backups": [{key: _json_value(backup[key]) for key in backup_keys} for backup in found["backups"]],
        "schedule": {"timezone": schedule["timezone"], "days": schedule["days"]},
        "next_run": _json_value(schedule["next_run"]),
        "next_removal": schedule["next_removal"],
        "next_outcome": schedule["next_outcome"],
        "next_reason": _json_value(schedule["next_reason"]),
    }


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Message) else value
