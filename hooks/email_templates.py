"""Declares the mails: name, event, recipient, template folder and additional merge fields."""

from typing import Any

from puq_backups.hook_registry.decorators import email_template

STAYS_OFF = ("vm_stays_off",)
TOLD = ("support_told",)
CLIENT_TOLD = ("client_told",)
NEXT_RUN = ("next_run_planned", *TOLD)


@email_template("Backup restored", event="restore.done", folder="backup_restored")
def backup_restored(**_: Any) -> dict[str, Any]:
    """To the client: the restore is done and the VM was started."""
    return {}


@email_template("Restore failed", event="restore.failed", folder="restore_failed", own=(*STAYS_OFF, "may_reinstall"))
def restore_failed(service: Any, **_: Any) -> dict[str, Any]:
    """To the client: why the restore failed, whether the VM stays off, and what can be done."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template(
    "Restore failed (staff)", event="restore.failed", folder="restore_failed_staff", to="staff",
    own=(*STAYS_OFF, *CLIENT_TOLD),
)  # fmt: skip
def restore_failed_staff(service: Any, **_: Any) -> dict[str, Any]:
    """To staff: the same, with details of the service."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template(
    "Restore refused", event="restore.refused", folder="restore_failed", own=(*STAYS_OFF, "may_reinstall")
)
def restore_refused(service: Any, **_: Any) -> dict[str, Any]:
    """To the client: why the restore was refused before the VM was touched."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template(
    "Restore refused (staff)", event="restore.refused", folder="restore_failed_staff", to="staff",
    own=(*STAYS_OFF, *CLIENT_TOLD),
)  # fmt: skip
def restore_refused_staff(service: Any, **_: Any) -> dict[str, Any]:
    """To staff: the same, with details of the service."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template(
    "Restored, but not started", event="restore.not_started", folder="vm_not_started", own=("may_reinstall", *TOLD)
)  # fmt: skip
def vm_not_started(**_: Any) -> dict[str, Any]:
    """To the client: the data is restored, the VM does not start, and why."""
    return {}


@email_template(
    "Restored, but not started (staff)", event="restore.not_started", folder="vm_not_started_staff", to="staff",
    own=CLIENT_TOLD,
)  # fmt: skip
def vm_not_started_staff(**_: Any) -> dict[str, Any]:
    """To staff: the same, with details of the service."""
    return {}


@email_template("Virtual machine reinstalled", event="reinstall.done", folder="vm_reinstalled")
def vm_reinstalled(**_: Any) -> dict[str, Any]:
    """To the client: the VM was reinstalled from its template and was started."""
    return {}


@email_template("Reinstallation failed", event="reinstall.failed", folder="reinstall_failed", own=TOLD)
def reinstall_failed(**_: Any) -> dict[str, Any]:
    """To the client: why the reinstallation failed, and what can be done."""
    return {}


@email_template(
    "Reinstallation failed (staff)", event="reinstall.failed", folder="reinstall_failed_staff", to="staff"
)  # fmt: skip
def reinstall_failed_staff(**_: Any) -> dict[str, Any]:
    """To staff: the same, with details of the service."""
    return {}


@email_template(
    "Reinstallation refused", event="reinstall.refused", folder="reinstall_failed_staff", to="staff"
)  # fmt: skip
def reinstall_refused(**_: Any) -> dict[str, Any]:
    """To staff: what is missing for a reinstallation; the VM was not touched."""
    return {}


@email_template("Backup failed", event="backup.failed", folder="backup_failed", own=NEXT_RUN)
def backup_failed(**_: Any) -> dict[str, Any]:
    """To the client: a backup failed, and why."""
    return {}


@email_template("Scheduled backup missed", event="backup.missed", folder="scheduled_backup_missed", own=NEXT_RUN[:1])
def scheduled_backup_missed(**_: Any) -> dict[str, Any]:
    """To the client: a scheduled backup did not run at its time."""
    return {}


@email_template("Quota full of kept backups", event="backup.quota_kept", folder="quota_full_of_kept")
def quota_full_of_kept(**_: Any) -> dict[str, Any]:
    """To the client: the quota is full of kept backups, so no scheduled backup can be made."""
    return {}


@email_template("Proxmox needs attention", event="operation.trouble", folder="operation_trouble", to="staff")
def operation_trouble(**_: Any) -> dict[str, Any]:
    """To staff: an operation waits or failed for a reason only they can mend; once for each reason."""
    return {}


@email_template("Operation stuck", event="operation.stuck", folder="operation_stuck", to="staff")
def operation_stuck(**_: Any) -> dict[str, Any]:
    """To staff: an operation is past its deadline; its lock is kept."""
    return {}


@email_template(
    "Backups of a terminated service will be removed", event="service.terminated", folder="backups_will_be_removed",
    own=("removal_date", "backup_count"),
)  # fmt: skip
def backups_will_be_removed(**_: Any) -> dict[str, Any]:
    """To the client: the service is terminated, and when its backups are removed."""
    return {}


@email_template(
    "Scheduled backup refused", event="slot.refused", folder="scheduled_backup_refused", to="staff"
)  # fmt: skip
def scheduled_backup_refused(**_: Any) -> dict[str, Any]:
    """To staff: a scheduled backup was refused for a reason the client cannot change. Once, until that is over."""
    return {}


@email_template("Service unprotected", event="service.unprotected", folder="service_unprotected", to="staff")
def service_unprotected(service: Any, **_: Any) -> dict[str, Any]:
    """To staff: the backups of a service do not protect it any more. Once, until that is over."""
    return {"reason": service.protection_reason}


@email_template("Service protected again", event="service.protected", folder="service_protected", to="staff")
def service_protected(service: Any, **_: Any) -> dict[str, Any]:
    """To staff: a service that was unprotected has a good backup again."""
    return {"reason": service.protection_reason}


@email_template("Service needs attention", event="service.problem", folder="service_problem", to="staff")
def service_problem(**_: Any) -> dict[str, Any]:
    """To staff: the VM is not the registered one; no operation runs on it. Once, until that is over."""
    return {}


@email_template("Server trouble", event="server.trouble", folder="server_trouble", to="staff")
def server_trouble(**_: Any) -> dict[str, Any]:
    """To staff: a Proxmox server does not answer or refuses the token; once for each reason, until that is over."""
    return {}


@email_template("Storage trouble", event="storage.trouble", folder="proxmox_standstill", to="staff")
def storage_trouble(**_: Any) -> dict[str, Any]:
    """To staff: a storage with backups does not answer. Once, until that is over."""
    return {}


@email_template("Lock left behind", event="lock.trouble", folder="proxmox_standstill", to="staff")
def lock_left_behind(**_: Any) -> dict[str, Any]:
    """To staff: Proxmox holds a VM locked and nothing works on it. Once, until that is over."""
    return {}


@email_template("Backups not removed", event="removal.trouble", folder="proxmox_standstill", to="staff")
def backups_not_removed(**_: Any) -> dict[str, Any]:
    """To staff: backups are made, but the old ones are not removed. Once for each storage, until that is over."""
    return {}


@email_template("Trouble over", event="trouble.over", folder="trouble_over", to="staff", own=("since",))
def trouble_over(**_: Any) -> dict[str, Any]:
    """To staff: what they were told of is over."""
    return {}


@email_template("Row set aside", event="row.set_aside", folder="row_set_aside", to="staff")
def row_set_aside(**_: Any) -> dict[str, Any]:
    """To staff: a row of the database cannot be processed and is left out. Once for each row and kind of work."""
    return {}


@email_template(
    "Daily summary", event="day.ended", folder="daily_summary", to="staff",
    own=(
        "since", "done_count", "failed_count", "missed_count", "refused_count", "restored_count", "failed",
        "unprotected_count", "unprotected", "stuck", "full", "unsent_count",
    ),
)  # fmt: skip
def daily_summary(**_: Any) -> dict[str, Any]:
    """To staff: counts of the last day and what needs attention."""
    return {}
