"""The buttons of the page, and what each does."""

from collections.abc import Mapping
from typing import Any

from puq_backups import overview, wishes
from puq_backups.accounts import service_id
from puq_backups.hooking import module_function
from puq_backups.host import Actor
from puq_backups.models import Service
from puq_backups.toolbox import Toolbox

SUCCESS = "success"


@module_function
def ClientAreaCustomButtonArray() -> dict[str, str]:
    """Label and function of the buttons a client sees."""
    return {
        "Save Schedule": "SaveSchedule",
        "Backup now": "BackupNow",
        "Restore": "RestoreBackup",
        "Remove": "RemoveBackup",
    }


@module_function
def ClientAreaAllowedFunctions() -> dict[str, str]:
    """What a client may call besides, without a button being drawn."""
    return {
        "Retry restore": "RetryRestore",
        "Back to the state before": "BackToBefore",
        "Reinstall": "Reinstall",
        "Cancel": "CancelOperation",
        "Edit note": "EditNote",
        "Keep": "KeepBackup",
    }


@module_function
def AdminCustomButtonArray() -> dict[str, str]:
    """What staff may call for a client."""
    return {"Backup now": "BackupNow"}


@module_function
def AdminServicesTabFields(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> dict[str, str]:
    """What staff sees of a service in the billing application."""
    with toolbox.database.open() as session:
        service = session.get_one(Service, service_id(params))
        found = overview.facts(session, toolbox, service, actor)
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
def BackupNow(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Make a manual backup; `note` is optional."""
    wishes.back_up_now(toolbox, service_id(params), actor, params.get("note"))
    return SUCCESS


@module_function
def SaveSchedule(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Save the weekly schedule: `day_0`…`day_6`, `time_0`…`time_6`, `timezone`."""
    wishes.save_schedule(toolbox, service_id(params), actor, params)
    return SUCCESS


@module_function
def RestoreBackup(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Restore `backup_id`; `confirm` is the VM's name, `safety_copy` 1 keeps the present state first."""
    backup_id, confirm, keep_state = _id(params, "backup_id"), params.get("confirm"), params.get("safety_copy")
    wishes.restore(toolbox, service_id(params), actor, backup_id, confirm, keep_state)
    return SUCCESS


@module_function
def RemoveBackup(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Remove `backup_id` for good."""
    wishes.remove(toolbox, service_id(params), actor, _id(params, "backup_id"))
    return SUCCESS


@module_function
def RetryRestore(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Restore again after the failed `operation_id`, from `backup_id` or the same backup."""
    failed, other = _id(params, "operation_id"), params.get("backup_id")
    wishes.retry(toolbox, service_id(params), actor, failed, other)
    return SUCCESS


@module_function
def BackToBefore(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Go back to the state before the failed restore `operation_id`, out of its safety copy."""
    wishes.back(toolbox, service_id(params), actor, _id(params, "operation_id"))
    return SUCCESS


@module_function
def Reinstall(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Reinstall the VM after a failed restore; `confirm` is the word REINSTALL."""
    wishes.reinstall(toolbox, service_id(params), actor, params.get("confirm"))
    return SUCCESS


@module_function
def CancelOperation(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Cancel the waiting `operation_id`, or stop a running backup."""
    wishes.cancel(toolbox, service_id(params), actor, _id(params, "operation_id"))
    return SUCCESS


@module_function
def EditNote(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Change the `note` of `backup_id`."""
    backup_id, note = _id(params, "backup_id"), params.get("note")
    wishes.edit_note(toolbox, service_id(params), actor, backup_id, note)
    return SUCCESS


@module_function
def KeepBackup(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> str:
    """Keep `backup_id` from rotation and removal (`kept` = 1), or no longer (0)."""
    backup_id, kept = _id(params, "backup_id"), params.get("kept")
    wishes.keep(toolbox, service_id(params), actor, backup_id, kept)
    return SUCCESS


def _id(params: Mapping[str, Any], name: str) -> str:
    return str(params.get(name) or "")
