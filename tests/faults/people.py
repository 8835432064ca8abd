"""What clients, the host and its staff do to a service. Each function draws its choices from the run's seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from support import world as worlds

from puq_backups import Actor
from puq_backups.models import Backup

if TYPE_CHECKING:
    from .run import Run, Tenant

QUOTAS = (1, 2, 2, 2, 3)
STORAGES = ("nfs", "nfs", "pbs", "local")
NOTES = ("", "before the update", "Ünïcode {{guestname}}", "a\tb", "x" * 255)
STAFF = worlds.STAFF


def back_up(run: Run, tenant: Tenant) -> str:
    """Backup now."""
    return run.call("BackupNow", tenant, note=run.dice.choice(NOTES))


def remove(run: Run, tenant: Tenant) -> str:
    """Remove, into the bin where there is one."""
    return run.call("RemoveBackup", tenant, backup_id=_some_backup(run, tenant))


def delete(run: Run, tenant: Tenant) -> str:
    """Delete now."""
    return run.call("DeleteBackup", tenant, backup_id=_some_backup(run, tenant))


def undo(run: Run, tenant: Tenant) -> str:
    """Take the newest backup of the bin out of it."""
    binned = [backup.id for backup in _backups(run, tenant) if backup.binned_until]
    return run.call("UndoRemove", tenant, backup_id=binned[-1] if binned else "")


def keep(run: Run, tenant: Tenant) -> str:
    """Keep a backup, or stop keeping it."""
    return run.call("KeepBackup", tenant, backup_id=_some_backup(run, tenant), kept=run.dice.choice("110"))


def note(run: Run, tenant: Tenant) -> str:
    """Edit a note."""
    return run.call("EditNote", tenant, backup_id=_some_backup(run, tenant), note=run.dice.choice(NOTES))


def restore(run: Run, tenant: Tenant) -> str:
    """Restore, or what is offered after a failed restore."""
    service = run.world.service(tenant.id)
    if service.restore_failed and run.dice.random() < 0.8:
        other = _some_backup(run, tenant) if run.dice.random() < 0.5 else ""
        return run.call("RetryRestore", tenant, operation_id=service.restore_failed, backup_id=other)
    return run.call(
        "RestoreBackup", tenant, backup_id=_some_backup(run, tenant), confirm=service.vm_name,
        safety_copy=run.dice.choice("001"),
    )  # fmt: skip


def cancel(run: Run, tenant: Tenant) -> str:
    """Cancel whatever waits or runs."""
    live = [one.id for one in run.world.operations(tenant.id) if one.state in {"waiting", "running"}]
    return run.call("CancelOperation", tenant, operation_id=live[-1] if live else "")


def save_schedule(run: Run, tenant: Tenant) -> str:
    """Save a schedule: most days at some time, in UTC."""
    days = [day for day in range(7) if run.dice.random() < 0.8]
    at = f"{run.dice.randrange(24):02}:{run.dice.randrange(0, 60, 5):02}"
    form = {f"day_{day}": "1" for day in days} | {f"time_{day}": at for day in range(7)}
    answer = run.call("SaveSchedule", tenant, timezone="UTC", **form)
    if answer == "success":
        run.diary.schedule(tenant.id, dict.fromkeys(days, at))
    return answer


def change_package(run: Run, tenant: Tenant) -> str:
    """Up- or downgrade."""
    tenant.package = {
        "backups": run.dice.choice(QUOTAS), "rotation": run.dice.choice(("before", "after")),
        "storage": run.dice.choice(STORAGES), "cores": run.dice.choice((1, 2)),
    }  # fmt: skip
    run.diary.quotas.setdefault(tenant.id, []).append(int(tenant.package["backups"]))
    return run.host("ChangePackage", tenant)


def suspend(run: Run, tenant: Tenant) -> str:
    """Suspend, or unsuspend."""
    suspended = run.world.service(tenant.id).status == "suspended"
    return run.host("UnsuspendAccount" if suspended else "SuspendAccount", tenant)


def terminate(run: Run, tenant: Tenant) -> str:
    """Terminate, or take a terminated service up again."""
    terminated = run.world.service(tenant.id).status == "terminated"
    return run.host("CreateAccount" if terminated else "TerminateAccount", tenant)


def intrude(run: Run, tenant: Tenant) -> str:
    """Ask for a backup of another client, by every function that takes one."""
    others = [other for other in run.tenants if other.client != tenant.client]
    other = run.dice.choice(others)
    backup_id = _some_backup(run, other)
    function = run.dice.choice(("RemoveBackup", "DeleteBackup", "EditNote", "KeepBackup", "RestoreBackup"))
    asked = len(run.world.proxmox.requests())
    service_id = run.dice.choice((tenant.id, other.id))
    form = {"backup_id": backup_id, "note": "mine", "kept": "0", "confirm": run.world.service(other.id).vm_name}
    answer = run.call_as(Actor(client_id=tenant.client), function, service_id, **form)
    calls = len(run.world.proxmox.requests()) - asked
    if calls or answer == "success":
        run.diary.broken.append(f"7: {function} on a foreign backup answered {answer!r} after {calls} calls")
    return answer


def _backups(run: Run, tenant: Tenant) -> list[Backup]:
    return run.world.held(tenant.id)


def _some_backup(run: Run, tenant: Tenant) -> str:
    found = _backups(run, tenant)
    # The newest and the oldest are those that rotation and people meet at.
    return run.dice.choice([found[0], found[-1], *found]).id if found else ""


Deed = Callable[["Run", "Tenant"], str]
DEEDS: dict[Deed, int] = {
    back_up: 8, restore: 14, remove: 6, delete: 10, undo: 2, keep: 4, note: 2, cancel: 3, save_schedule: 3,
    change_package: 4, suspend: 1, terminate: 1, intrude: 2,
}  # fmt: skip
"""What people do, and how often."""
