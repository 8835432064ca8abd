"""Custom functions (the buttons of the page) and the arrays that list them."""

from collections.abc import Mapping
from typing import Any

from puq_backups.accounts.params import service_id
from puq_backups.client_area import backups, cancel, page, reinstall, restore, schedule
from puq_backups.context import Context
from puq_backups.hook_registry.decorators import module_function
from puq_backups.host import Actor
from puq_backups.models import Service

SUCCESS = "success"


@module_function
def ClientAreaCustomButtonArray() -> dict[str, str]:
    """Return label and function of the buttons that a client sees."""
    return {
        "Save Schedule": "SaveSchedule",
        "Backup now": "BackupNow",
        "Restore": "RestoreBackup",
        "Remove": "RemoveBackup",
    }


@module_function
def ClientAreaAllowedFunctions() -> dict[str, str]:
    """Return label and function of what a client may call without a button in WHMCS."""
    return {
        "Retry restore": "RetryRestore",
        "Back to the state before": "BackToBefore",
        "Reinstall": "Reinstall",
        "Cancel": "CancelOperation",
        "Edit note": "EditNote",
        "Keep": "KeepBackup",
        "Undo": "UndoRemove",
        "Delete now": "DeleteBackup",
        "Count this backup": "ReleaseBackup",
    }


@module_function
def AdminCustomButtonArray() -> dict[str, str]:
    """Return label and function of the buttons for staff."""
    return {"Backup now": "BackupNow"}


@module_function
def AdminServicesTabFields(context: Context, params: Mapping[str, Any], actor: Actor) -> dict[str, str]:
    """Return the fields, as texts, that staff sees of a service in the billing application."""
    with context.database.open() as session:
        service = session.get_one(Service, service_id(params))
        found = page.facts(session, context, service, actor)
    last, next_run = found["last_operation"], found["schedule"]["next_run"]
    return {
        "Backups": f"{found['quota']['used']}/{found['quota']['limit']}",
        "Virtual machine": f"{service.vmid} on {service.node}, {service.vm_status}",
        "Service": service.status,
        "Lock": str(found["lock_reason"] or "none"),
        "Next backup": f"{next_run:%Y-%m-%d %H:%M} UTC" if next_run else "none",
        "Last operation": f"{last['kind']} {last['state']}. {last['reason'] or ''}".strip() if last else "none",
    }


@module_function
def BackupNow(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Request a manual backup. `note` is optional."""
    backups.back_up_now(context, service_id(params), actor, params.get("note"))
    return SUCCESS


@module_function
def SaveSchedule(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Save the weekly schedule: `day_0`…`day_6`, `time_0`…`time_6`, `timezone`."""
    schedule.save_schedule(context, service_id(params), actor, params)
    return SUCCESS


@module_function
def RestoreBackup(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Request a restore of `backup_id`. `confirm` is the VM's name; `safety_copy` "1" keeps the state first."""
    backup_id, confirm, keep_state = _id(params, "backup_id"), params.get("confirm"), params.get("safety_copy")
    restore.restore(context, service_id(params), actor, backup_id, confirm, keep_state)
    return SUCCESS


@module_function
def RemoveBackup(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Put `backup_id` into the bin; one that is there already is removed for good."""
    backups.remove(context, service_id(params), actor, _id(params, "backup_id"))
    return SUCCESS


@module_function
def UndoRemove(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Take `backup_id` out of the bin."""
    backups.undo(context, service_id(params), actor, _id(params, "backup_id"))
    return SUCCESS


@module_function
def DeleteBackup(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Remove `backup_id` for good, from the bin or at once."""
    backups.delete(context, service_id(params), actor, _id(params, "backup_id"))
    return SUCCESS


@module_function
def ReleaseBackup(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Have the adopted or imported `backup_id` count toward the quota; rotation may remove it then."""
    backups.release(context, service_id(params), actor, _id(params, "backup_id"))
    return SUCCESS


@module_function
def RetryRestore(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Request a restore after the failed `operation_id`, from `backup_id` or else the same backup."""
    failed, other = _id(params, "operation_id"), params.get("backup_id")
    restore.retry(context, service_id(params), actor, failed, other)
    return SUCCESS


@module_function
def BackToBefore(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Request a restore of the safety copy of the failed restore `operation_id`."""
    restore.restore_safety_copy(context, service_id(params), actor, _id(params, "operation_id"))
    return SUCCESS


@module_function
def Reinstall(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Request a reinstallation after a failed restore. `confirm` is REINSTALL; `safety_copy` "1" keeps the state."""
    reinstall.reinstall(context, service_id(params), actor, params.get("confirm"), params.get("safety_copy"))
    return SUCCESS


@module_function
def CancelOperation(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Cancel the waiting `operation_id`, or stop it if it is a running backup."""
    cancel.cancel(context, service_id(params), actor, _id(params, "operation_id"))
    return SUCCESS


@module_function
def EditNote(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Change the `note` of `backup_id`, here and in Proxmox."""
    backup_id, note = _id(params, "backup_id"), params.get("note")
    backups.edit_note(context, service_id(params), actor, backup_id, note)
    return SUCCESS


@module_function
def KeepBackup(context: Context, params: Mapping[str, Any], actor: Actor) -> str:
    """Protect `backup_id` from rotation and removal (`kept` "1"), or no longer ("0")."""
    backup_id, kept = _id(params, "backup_id"), params.get("kept")
    backups.keep(context, service_id(params), actor, backup_id, kept)
    return SUCCESS


def _id(params: Mapping[str, Any], name: str) -> str:
    return str(params.get(name) or "")
