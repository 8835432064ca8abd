"""States while an operation waits or runs, and after it ended."""

from __future__ import annotations

from datetime import timedelta

from puq_backups.errors import Message
from puq_backups.operations import start_conditions

from .prepared_host import GIB, NOW, PreparedService
from .registry import days, quiet, state

UNREADABLE = Message("{proxmox}", proxmox="job failed with err -5 - Input/output error").to_json()


@state()
def making_a_backup(prepared: PreparedService) -> None:
    quiet(prepared)
    moved = {"done": round(11.8 * GIB), "total": 32 * GIB, "rate": 142 * 1024**2}
    prepared.operation("backup", "running", NOW - timedelta(minutes=2), step="make_archive", upid="UPID:x",
                    progress=37, data={"bytes": moved}, note="before the upgrade")  # fmt: skip


@state()
def starting_a_backup(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.operation("backup", "running", NOW - timedelta(seconds=5), step="find_vm")


@state()
def waiting(prepared: PreparedService) -> None:
    quiet(prepared, 7, 6)
    prepared.operation("backup", "waiting", NOW - timedelta(minutes=6))


@state()
def waiting_for_others(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.operation("backup", "waiting", NOW - timedelta(minutes=5), reason=start_conditions.NODE_BUSY.to_json())


@state()
def stuck(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.operation("backup", "stuck", NOW - timedelta(hours=5), step="make_archive", progress=80)


@state()
def restoring(prepared: PreparedService) -> None:
    quiet(prepared)
    moved = {"done": round(13.5 * GIB), "total": 32 * GIB, "rate": 96 * 1024**2}
    prepared.operation("restore", "running", NOW - timedelta(minutes=3), step="restore_disks", progress=42,
                    data={"bytes": moved})  # fmt: skip
    prepared.service.vm_status = "stopped"


@state()
def removing(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.operation("remove", "running", NOW - timedelta(seconds=9), step="remove_volume")


@state()
def reinstalling(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.operation("reinstall", "running", NOW - timedelta(minutes=1), step="clone_template", progress=20)


@state()
def restored_with_warnings(prepared: PreparedService) -> None:
    quiet(prepared)
    done = prepared.operation("restore", "done", NOW - timedelta(minutes=20))
    done.add_warning(Message("The system disk has {there} GiB, the package has {wanted}: a disk is never shrunk.",
                      there=64, wanted=32))  # fmt: skip


@state()
def backup_failed(prepared: PreparedService) -> None:
    prepared.schedule()
    prepared.slot(1, "failed", reason=UNREADABLE, attempts=4)
    prepared.slot(0, "failed", reason=UNREADABLE, attempts=4)
    prepared.nightly(5, 4, 2)
    prepared.month()


@state()
def backup_missed(prepared: PreparedService) -> None:
    prepared.schedule()
    prepared.nightly(3, 2, 1)
    prepared.slot(0, "missed", reason=Message("It did not start within {hours} hours.", hours=6).to_json())
    prepared.month()


@state(step="stop")
def stop_dialog(prepared: PreparedService) -> None:
    making_a_backup(prepared)


def failed_restore(prepared: PreparedService, *, copy: bool) -> None:
    """The restore of the manual backup failed just now; the safety copy was made before."""
    quiet(prepared)
    prepared.service.vm_status = "stopped"
    bad = prepared.backup(NOW - days(2.1), "before the new theme", verification="failed")
    failed = prepared.operation("restore", "failed", NOW - timedelta(minutes=18), backup_id=bad.id,
                             reason={"text": "{proxmox}", "values": {
                                 "proxmox": "vma-qemu-100.vma.zst : Read error (39) : premature end"}})  # fmt: skip
    if copy:
        kept = prepared.backup(NOW - timedelta(minutes=24), "Safety copy from before the restore", kind="safety",
                            verification="", expires_at=NOW + days(3))  # fmt: skip
        failed.data = {"safety": kept.id}
    prepared.service.restore_failed = failed.id


@state()
def restore_failed(prepared: PreparedService) -> None:
    failed_restore(prepared, copy=True)


@state()
def restore_failed_without_copy(prepared: PreparedService) -> None:
    failed_restore(prepared, copy=False)


@state(step="retry")
def retry_dialog(prepared: PreparedService) -> None:
    failed_restore(prepared, copy=True)


@state(step="reinstall")
def reinstall_dialog(prepared: PreparedService) -> None:
    failed_restore(prepared, copy=False)
    prepared.service.package = {**prepared.service.package, "template": 9000}
