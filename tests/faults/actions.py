"""What clients, the host and its staff do to a service. Each function draws its choices from the run's seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from support import world as worlds

from puq_backups import Actor
from puq_backups.errors import BackupsError
from puq_backups.models import Backup
from puq_backups.staff import resolve

from . import foreign_archives
from .run_record import Intrusion

if TYPE_CHECKING:
    from .registration import Tenant
    from .run import Run

QUOTAS = (1, 2, 2, 2, 3)
STORAGES = ("nfs", "nfs", "pbs", "local")
ZONES = ("UTC", "UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Auckland")

NOTES = ("", "before the update", "Ünïcode {{guestname}}", "a\tb", "x" * 255)
STAFF = worlds.STAFF


def back_up(run: Run, tenant: Tenant) -> str:
    """Backup now."""
    return run.call("BackupNow", tenant, note=run.rng.choice(NOTES))


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
    return run.call("KeepBackup", tenant, backup_id=_some_backup(run, tenant), kept=run.rng.choice("110"))


def note(run: Run, tenant: Tenant) -> str:
    """Edit a note."""
    return run.call("EditNote", tenant, backup_id=_some_backup(run, tenant), note=run.rng.choice(NOTES))


def restore(run: Run, tenant: Tenant) -> str:
    """Restore, or what is offered after a failed restore."""
    service = run.world.service(tenant.id)
    if service.restore_failed and run.rng.random() < 0.8:
        return _after_failure(run, tenant, service.restore_failed)
    return run.call(
        "RestoreBackup", tenant, backup_id=_some_backup(run, tenant), confirm=service.vm_name,
        safety_copy=run.rng.choice("011"),
    )  # fmt: skip


def _after_failure(run: Run, tenant: Tenant, failed: str) -> str:
    choice = run.rng.choice(("retry", "other", "back", "reinstall"))
    if choice == "back":
        return run.call("BackToBefore", tenant, operation_id=failed)
    if choice == "reinstall":
        return run.call("Reinstall", tenant, confirm="REINSTALL", safety_copy=run.rng.choice("01"))
    other = _some_backup(run, tenant) if choice == "other" else ""
    return run.call("RetryRestore", tenant, operation_id=failed, backup_id=other)


def cancel(run: Run, tenant: Tenant) -> str:
    """Cancel whatever waits or runs."""
    live = [one.id for one in run.world.operations(tenant.id) if one.state in {"waiting", "running"}]
    return run.call("CancelOperation", tenant, operation_id=live[-1] if live else "")


def save_schedule(run: Run, tenant: Tenant) -> str:
    """Save a schedule: most days at some time, at times in another zone."""
    days = [day for day in range(7) if run.rng.random() < 0.8]
    at, zone = f"{run.rng.randrange(24):02}:{run.rng.randrange(0, 60, 5):02}", run.rng.choice(ZONES)
    form = {f"day_{day}": "1" for day in days} | {f"time_{day}": at for day in range(7)}
    answer = run.call("SaveSchedule", tenant, timezone=zone, **form)
    saved = run.record.history.at(tenant.id, run.clock.now())
    if answer == "success" and saved and (saved.zone, dict(saved.days)) != (zone, dict.fromkeys(days, at)):
        run.record.broken.append(f"3: {zone} {days} {at} was saved as {saved}")
    return answer


def change_package(run: Run, tenant: Tenant) -> str:
    """Up- or downgrade."""
    tenant.package = {
        "backups": run.rng.choice(QUOTAS), "rotation": run.rng.choice(("before", "after")),
        "storage": run.rng.choice(STORAGES), "cores": run.rng.choice((1, 2)), "template": 9000,
    }  # fmt: skip
    run.record.quotas.setdefault(tenant.id, []).append(int(tenant.package["backups"]))
    return run.host("ChangePackage", tenant)


def let_rotate(run: Run, tenant: Tenant) -> str:
    """Leave no place free, so that the next scheduled run rotates: back up, or buy no more places than are taken."""
    there = [one for one in _backups(run, tenant) if one.binned_until is None and one.missing_at is None]
    taken = sum(one.released_at is not None or one.kind in {"scheduled", "manual"} for one in there)
    if taken < run.rng.choice((1, 2)):
        return back_up(run, tenant)
    tenant.package["backups"] = min(taken, max(QUOTAS))
    run.record.quotas.setdefault(tenant.id, []).append(int(tenant.package["backups"]))
    answer = run.host("ChangePackage", tenant)
    slot = run.world.service(tenant.id).next_run_at
    run.slot = min(slot.timestamp() - run.clock.offset, run.clock.now() + 86_400) if slot else 0.0
    return answer


def suspend(run: Run, tenant: Tenant) -> str:
    """Suspend, or unsuspend."""
    suspended = run.world.service(tenant.id).status == "suspended"
    return run.host("UnsuspendAccount" if suspended else "SuspendAccount", tenant)


def terminate(run: Run, tenant: Tenant) -> str:
    """Terminate, or take a terminated service up again."""
    terminated = run.world.service(tenant.id).status == "terminated"
    if terminated and tenant.vmid in run.foreign:
        # CreateAccount would say that this is the service's VM from now on.
        return "the VM is somebody else's just now"
    return run.host("CreateAccount" if terminated else "TerminateAccount", tenant)


def intrude(run: Run, tenant: Tenant) -> str:
    """Ask for a backup of another client, by every function that takes one."""
    other = run.rng.choice([other for other in run.tenants if other.client != tenant.client])
    backup_id = _some_backup(run, other) or _some_backup(run, tenant)
    function = run.rng.choice(
        ("RemoveBackup", "DeleteBackup", "UndoRemove", "EditNote", "KeepBackup", "RestoreBackup")
    )
    rows = "SELECT kept, note, binned_until FROM puq_backups_backup WHERE id = :id"
    before, asked = run.sql(rows, id=backup_id), len(run.world.proxmox.requests())
    form = {"backup_id": backup_id, "note": "mine", "kept": "1", "confirm": run.world.service(other.id).vm_name}
    answer = run.call_as(Actor(client_id="nobody's"), function, run.rng.choice((tenant.id, other.id)), **form)
    calls = len(run.world.proxmox.requests()) - asked
    run.record.intrusions.append(Intrusion(function, answer, calls, run.sql(rows, id=backup_id) != before))
    return "answered"


def _backups(run: Run, tenant: Tenant) -> list[Backup]:
    return run.world.held(tenant.id)


def _some_backup(run: Run, tenant: Tenant) -> str:
    found = _backups(run, tenant)
    # The newest and the oldest are those that rotation and people meet at.
    return run.rng.choice([found[0], found[-1], *found]).id if found else ""


def change_client(run: Run, tenant: Tenant) -> str:
    """The service goes to another client, or back to the one before."""
    tenant.client = f"{tenant.client}x" if not tenant.client.endswith("x") else tenant.client[:-1]
    return run.host("CreateAccount", tenant)


def settle(run: Run, tenant: Tenant) -> str:
    """Staff accept what a failed restore left, or a VM that is another one."""
    try:
        resolve.clear_failed_restore(run.world.context, tenant.id, STAFF)
    except BackupsError as error:
        return str(error)
    return "success"


def look(run: Run, tenant: Tenant) -> str:
    """The client looks at the page."""
    actor = Actor(client_id=tenant.client, name=tenant.client)
    answer = run.world.backups.call("ClientArea", {"serviceid": tenant.id}, actor=actor)
    run.record.lines.append(str(answer)[:20_000])
    return str(answer.get("templatefile"))


Action = Callable[["Run", "Tenant"], str]
ACTIONS: dict[Action, int] = {
    back_up: 8, let_rotate: 4, restore: 8, remove: 6, delete: 4, undo: 2, keep: 4, note: 2, cancel: 3,
    save_schedule: 4, change_package: 4, suspend: 1, terminate: 1, intrude: 2, change_client: 1, settle: 1, look: 1,
    foreign_archives.back_up_by_hand: 2, foreign_archives.adopt_archive: 1, foreign_archives.import_archives: 3,
    foreign_archives.release: 3,
}  # fmt: skip
"""The actions of clients, host, staff and intruders, with their weights."""
