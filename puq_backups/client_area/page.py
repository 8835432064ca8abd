"""The data of the client's page, and so of `/state`, from the database only (no Proxmox call)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..context import Context
from ..errors import Message
from ..host import Actor, service_url
from ..inventory import locks, policy, run_decision, service_backups
from ..inventory.displayable import displayable
from ..models import ENDED_STATES, Backup, Operation, Service, SetAside, now
from ..operations import backup as backup_steps
from ..operations import queue
from ..operations import reinstall as reinstall_steps
from ..operations import remove as remove_steps
from ..operations import restore as restore_steps
from ..rules import retention
from ..rules.schedule import Schedule
from . import activity, backup_list, failed_restore, history, next_runs, standstill
from .reasons import failure, for_client, reason_against
from .schedule import version_of

LABELS: dict[str, dict[str, str]] = {
    "backup": backup_steps.LABELS, "restore": restore_steps.LABELS, "remove": remove_steps.LABELS,
    "reinstall": reinstall_steps.LABELS,
}  # fmt: skip
ACTIONS = ("create", "schedule", "restore", "remove", "keep", "cancel")

OF_A_BACKUP = ("restore", "remove", "keep", "note", "undo", "delete", "release")
VERIFIED = {"ok": True, "failed": False}


TONES = {
    "protected": ("ok", "check"), "at_risk": ("warn", "warn"), "unprotected": ("bad", "cross"),
    "unknown": ("warn", "warn"), "unscheduled": ("idle", "minus"), "starting": ("idle", "minus"),
    "paused": ("idle", "minus"),
}  # fmt: skip
"""Colour and sign of each protection state."""


def facts(
    session: Session, context: Context, service: Service, actor: Actor, view: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The variables of the page's template, except URLs, form and CSRF token. Times are aware datetimes.

    `view` selects the backups of the list: `kind` and `page`, see `backup_list.select_page`.
    """
    inventory = service_backups.load_inventory(session, displayable(service))
    for operation in inventory.live:
        displayable(operation)
    current = inventory.running or next(iter(inventory.waiting), None)
    running = inventory.running
    lock = locks.lock_reason_of(service, running)
    failed = session.get(Operation, service.restore_failed) if service.restore_failed else None
    failed = displayable(failed) if failed else None
    listed, listing = backup_list.select_page(inventory.backups, view or {})
    past = history.load(session, service, [backup.operation_id for backup in listed])
    took = history.durations(past)
    schedule = _schedule(session, context, service, inventory)
    runs = next_runs.facts(context.settings, inventory, lambda backup: _backup(inventory, actor, backup))
    silent, told = standstill.silent_part(session, inventory), bool(context.settings.staff_email)
    paused = policy.PAUSED.get(service.status)
    return {
        "service": {"id": service.id, "name": service.vm_name, "status": service.vm_status},
        "quota": {"used": inventory.used(), "limit": service.quota},
        "quota_places": _places(service, inventory),
        "protection": {**_protection(service), "silent": silent, "host_url": _host_url(context, service)},
        "schedule": schedule,
        "runs": runs,
        "clock_change": next_runs.clock_change(Schedule.from_json(service.schedule), runs),
        "history": history.facts(past, actor.timezone or schedule["timezone"]),
        "backups": [
            {**_backup(inventory, actor, backup), "seconds": took.get(str(backup.operation_id))} for backup in listed
        ],
        "listing": listing,
        "bin_hours": context.settings.bin_hours,
        "operation": _operation(session, context, service, current, history.usual_duration(past)),
        "last_operation": _last_operation(session, context, inventory),
        "locked": lock is not None,
        "lock_reason": lock,
        "busy_reason": paused or lock or (policy.RUNNING_REASONS[running.kind] if running else None),
        "support_told": told,
        # The header line of this state says it already.
        "standstill": standstill.sentence(silent if service.protection != "unknown" else None, told=told),
        "restore_failed": failed_restore.facts(context, inventory, actor, failed) if failed else None,
        "may": {name: reason_against(name, inventory, actor) for name in ACTIONS}
        | failed_restore.ways_on(context, inventory, actor, failed),
        "against_all": _against_all(inventory, actor),
        "safety_copy": policy.safety_copy_mode(context.settings, service),
        "snapshots": (running.data.get("snapshots") if running else None),
    }


def _against_all(inventory: service_backups.Inventory, actor: Actor) -> Message | None:
    """The reason why none of the backups can be restored, where it is the same for all; else None."""
    there = [backup for backup in inventory.backups if not backup.binned_until and not backup.missing_at]
    reasons = (reason_against("restore", inventory, actor, backup) for backup in there)
    first = next(reasons, None)
    return first if first and all(reason == first for reason in reasons) else None


def _host_url(context: Context, service: Service) -> str:
    """The host's page of a suspended service, where its client learns what to do; "" for others."""
    return service_url(context.host, service.id) if service.status == "suspended" else ""


def _places(service: Service, inventory: service_backups.Inventory) -> dict[str, Any]:
    """How many of the quota's used places are `coming` or `kept`; `blocked` if kept backups fill all."""
    held = inventory.for_rotation()
    counted = [backup for backup in inventory.backups if inventory.counts(backup)]
    return {
        "coming": inventory.used() - retention.used_places(held),
        "kept": sum(backup.kept for backup in counted),
        "blocked": retention.blocked_by_kept(held, limit=service.quota),
    }  # fmt: skip


def _protection(service: Service) -> dict[str, Any]:
    """`state sentence last_good_at since` as stored, and how the state is shown."""
    tone, mark = TONES[service.protection]
    return {
        "state": service.protection, "sentence": Message.from_json(service.protection_reason),
        "last_good_at": service.last_good_at, "since": service.protection_since, "tone": tone, "mark": mark,
    }  # fmt: skip


def _schedule(
    session: Session, context: Context, service: Service, inventory: service_backups.Inventory
) -> dict[str, Any]:
    stored = Schedule.from_json(service.schedule).to_json()
    decided = run_decision.decide_run(context.settings, inventory, service.next_run_date)
    skip = None
    if decided.outcome == "skipped":
        skip = Message("The next run will be skipped: there is a backup of that day already.")
    past = service.next_run_at is not None and service.next_run_at <= now()
    notice = Message("Today's time is already past: the backup of today starts now.") if past else None
    # A service whose slot cannot be claimed stays past due, so the others need no query.
    if past and session.scalar(select(SetAside.key).where(SetAside.service_id == service.id).limit(1)):
        notice = Message("Scheduled backups cannot run at the moment.")
        if context.settings.staff_email:
            notice = Message("Scheduled backups cannot run at the moment. Support has been told.")
    return {
        **stored, "next_run": service.next_run_at, "next_removal": decided.removes, "emptied": list(decided.emptied),
        "next_outcome": decided.outcome, "next_reason": decided.reason, "skip_notice": skip, "notice": notice,
        "version": version_of(service.schedule),
    }  # fmt: skip


def _backup(inventory: service_backups.Inventory, actor: Actor, backup: Backup) -> dict[str, Any]:
    return {
        "id": backup.id, "created_at": backup.created_at, "note": backup.note, "size": backup.size,
        "kind": backup.kind, "kept": backup.kept, "expires_at": backup.expires_at,
        "missing": backup.missing_at is not None, "verified": VERIFIED.get(backup.verification),
        "restorable": inventory.restorable(backup) and backup.binned_until is None,
        "damaged": service_backups.is_damaged(backup), "binned_until": backup.binned_until,
        "warnings": _warnings(backup), "earlier": inventory.is_earlier(backup), "counts": inventory.counts(backup),
        "reason_against": {name: reason_against(name, inventory, actor, backup) for name in OF_A_BACKUP},
    }  # fmt: skip


def _warnings(backup: Backup) -> list[Message]:
    """What its log warned of; nothing where that cannot be read."""
    stored = backup.warnings if isinstance(backup.warnings, list) else []
    return [message for one in stored if (message := for_client(one))]


def _last_ended(session: Session, service: Service) -> Operation | None:
    theirs = Operation.service_id == service.id, Operation.client_id == service.client_id
    ended = select(Operation).where(*theirs, Operation.state.in_(ENDED_STATES))
    return session.scalars(ended.order_by(Operation.finished_at.desc(), Operation.created_at.desc()).limit(1)).first()


def _last_operation(
    session: Session, context: Context, inventory: service_backups.Inventory
) -> dict[str, Any] | None:
    """The operation that ended last, with the `size` of what a backup made and the `seconds` that it took."""
    last = _last_ended(session, inventory.service)
    found = _operation(session, context, inventory.service, last)
    if found is None or last is None:
        return None
    # A restore's own backup is its safety copy, whose size says nothing of the restore.
    held = inventory.backups if last.kind == "backup" else []
    made = next((backup for backup in held if backup.operation_id == last.id), None)
    took = last.finished_at - last.started_at if last.finished_at and last.started_at else None
    return {**found, "size": made and made.size, "seconds": took.total_seconds() if took else None}


def step_label(operation: Operation) -> str:
    """The label of an operation's current step, or "" before the first."""
    return LABELS.get(operation.kind, {}).get(operation.step, "")


def _operation(
    session: Session, context: Context, service: Service, operation: Operation | None, usual: float | None = None
) -> dict[str, Any] | None:
    if operation is None:
        return None
    displayable(operation)
    place = queue.position(session, operation, service)
    stoppable = operation.kind == "backup" and operation.step == "make_archive" and bool(operation.upid)
    return {
        "id": operation.id, "kind": operation.kind, "origin": operation.origin, "state": operation.state,
        "step": step_label(operation), "progress": operation.progress,
        "queue_position": place, "reason": for_client(operation.reason), **failure(operation),
        **activity.times(session, context.settings, operation, service, place, usual),
        "warnings": [for_client(warning) for warning in operation.warnings],
        "started_at": operation.started_at, "finished_at": operation.finished_at,
        "cancellable": operation.state == "waiting" or (operation.state in {"running", "stuck"} and stoppable),
    }  # fmt: skip
