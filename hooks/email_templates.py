"""The mails: which there are, what each tells of, to whom, and its own merge fields."""

from typing import Any

from puq_backups.hook_registry.decorators import email_template

STAYS_OFF = ("vm_stays_off",)


@email_template("Backup restored", event="restore.done", folder="backup_restored")
def backup_restored(**_: Any) -> dict[str, Any]:
    """To the client: the VM is restored, has its package again and was started."""
    return {}


@email_template("Restore failed", event="restore.failed", folder="restore_failed", own=STAYS_OFF)
def restore_failed(service: Any, **_: Any) -> dict[str, Any]:
    """To the client: why the restore failed, whether the VM stays off, and what can be done."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template(
    "Restore failed (staff)", event="restore.failed", folder="restore_failed_staff", to="staff", own=STAYS_OFF
)
def restore_failed_staff(service: Any, **_: Any) -> dict[str, Any]:
    """To staff: the same, with the service."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template("Restore refused", event="restore.refused", folder="restore_failed", own=STAYS_OFF)
def restore_refused(service: Any, **_: Any) -> dict[str, Any]:
    """To the client: what stood against the restore; nothing was touched."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template(
    "Restore refused (staff)", event="restore.refused", folder="restore_failed_staff", to="staff", own=STAYS_OFF
)
def restore_refused_staff(service: Any, **_: Any) -> dict[str, Any]:
    """To staff: the same, with the service."""
    return {"vm_stays_off": int(bool(service.restore_failed))}


@email_template("Virtual machine reinstalled", event="reinstall.done", folder="vm_reinstalled")
def vm_reinstalled(**_: Any) -> dict[str, Any]:
    """To the client: the VM was made again from its template and was started."""
    return {}


@email_template("Reinstallation failed", event="reinstall.failed", folder="reinstall_failed")
def reinstall_failed(**_: Any) -> dict[str, Any]:
    """To the client: why the VM could not be made again, and what can be done."""
    return {}


@email_template(
    "Reinstallation failed (staff)", event="reinstall.failed", folder="reinstall_failed_staff", to="staff"
)  # fmt: skip
def reinstall_failed_staff(**_: Any) -> dict[str, Any]:
    """To staff: the same, with the service."""
    return {}


@email_template(
    "Reinstallation refused", event="reinstall.refused", folder="reinstall_failed_staff", to="staff"
)  # fmt: skip
def reinstall_refused(**_: Any) -> dict[str, Any]:
    """To staff: what is lacking for a reinstallation; nothing was touched."""
    return {}


@email_template("Backup failed", event="backup.failed", folder="backup_failed")
def backup_failed(**_: Any) -> dict[str, Any]:
    """To the client: a backup could not be made, and why."""
    return {}


@email_template("Scheduled backup missed", event="backup.missed", folder="scheduled_backup_missed")
def scheduled_backup_missed(**_: Any) -> dict[str, Any]:
    """To the client: nothing ran at the planned time."""
    return {}


@email_template("Quota full of kept backups", event="backup.quota_kept", folder="quota_full_of_kept")
def quota_full_of_kept(**_: Any) -> dict[str, Any]:
    """To the client: every place is taken by a kept backup."""
    return {}


@email_template("Operation stuck", event="operation.stuck", folder="operation_stuck", to="staff")
def operation_stuck(**_: Any) -> dict[str, Any]:
    """To staff: an operation runs longer than it should; its lock is kept."""
    return {}


@email_template(
    "Backups of a terminated service will be removed", event="service.terminated", folder="backups_will_be_removed",
    own=("removal_date", "backup_count"),
)  # fmt: skip
def backups_will_be_removed(**_: Any) -> dict[str, Any]:
    """To the client: the service has ended, and until when its backups are kept."""
    return {}


@email_template(
    "Scheduled backup refused", event="slot.refused", folder="scheduled_backup_refused", to="staff"
)  # fmt: skip
def scheduled_backup_refused(**_: Any) -> dict[str, Any]:
    """To staff: a slot was refused for a reason that the client can do nothing about; once a day for each reason."""
    return {}


@email_template("Service needs attention", event="service.problem", folder="service_problem", to="staff")
def service_problem(**_: Any) -> dict[str, Any]:
    """To staff: the VM is not the one that was registered; nothing more is done to it. Once for each trouble."""
    return {}


@email_template(
    "Daily summary", event="day.ended", folder="daily_summary", to="staff",
    own=(
        "since", "done_count", "failed_count", "missed_count", "refused_count", "restored_count", "failed",
        "unprotected_count", "unprotected", "stuck", "full", "unsent_count",
    ),
)  # fmt: skip
def daily_summary(**_: Any) -> dict[str, Any]:
    """To staff: what the day brought, and what needs a look."""
    return {}
