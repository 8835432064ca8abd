"""The states of the Backups page: each a function that fills a scene. `act` names what a browser does there first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from puq_backups.errors import Message

from .stage import GIB, NOW, Scene

UNREADABLE = Message("{proxmox}", proxmox="job failed with err -5 - Input/output error").to_json()
STATES: dict[str, Callable[[Scene], None]] = {}
QUOTAS: dict[str, int] = {}
ACTS: dict[str, str] = {}
"""What is done in the browser before the picture, by state; a name of `acts`."""


def state(quota: int = 10, act: str = "") -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Register a state under its function's name, with dashes."""

    def add(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
        key = function.__name__.replace("_", "-")
        STATES[key], QUOTAS[key] = function, quota
        if act:
            ACTS[key] = act
        return function

    return add


def days(number: float) -> timedelta:
    return timedelta(days=number)


def quiet(scene: Scene, *more: int) -> None:
    """A well-kept server: seven backups of ten, one kept."""
    scene.schedule()
    scene.nightly(*more, 5, 4, 3, 2, 1, 0)
    scene.backup(NOW - days(1.7), "before the upgrade of the shop", size=8.3, kept=True)
    scene.month()


@state()
def protected(scene: Scene) -> None:
    quiet(scene)


@state(act="menu")
def menu_open(scene: Scene) -> None:
    quiet(scene)


@state(act="runs")
def next_runs_open(scene: Scene) -> None:
    quiet(scene)
    scene.backup(NOW - days(12), "before upgrade", size=7.9)
    scene.backup(NOW - days(13), "", size=7.9)


@state()
def making_a_backup(scene: Scene) -> None:
    quiet(scene)
    moved = {"done": round(11.8 * GIB), "total": 32 * GIB, "rate": 142 * 1024**2}
    scene.operation("backup", "running", NOW - timedelta(minutes=2), step="make_archive", upid="UPID:x",
                    progress=37, data={"bytes": moved}, note="before the upgrade")  # fmt: skip


@state()
def starting_a_backup(scene: Scene) -> None:
    quiet(scene)
    scene.operation("backup", "running", NOW - timedelta(seconds=5), step="find_vm")


@state(quota=9)
def waiting(scene: Scene) -> None:
    quiet(scene, 7, 6)
    scene.operation("backup", "waiting", NOW - timedelta(minutes=6))


@state()
def stuck(scene: Scene) -> None:
    quiet(scene)
    scene.operation("backup", "stuck", NOW - timedelta(hours=5), step="make_archive", progress=80)


@state()
def restoring(scene: Scene) -> None:
    quiet(scene)
    moved = {"done": round(13.5 * GIB), "total": 32 * GIB, "rate": 96 * 1024**2}
    scene.operation("restore", "running", NOW - timedelta(minutes=3), step="restore_disks", progress=42,
                    data={"bytes": moved})  # fmt: skip
    scene.service.vm_status = "stopped"


@state()
def removing(scene: Scene) -> None:
    quiet(scene)
    scene.operation("remove", "running", NOW - timedelta(seconds=9), step="delete_volume")


@state()
def reinstalling(scene: Scene) -> None:
    quiet(scene)
    scene.operation("reinstall", "running", NOW - timedelta(minutes=1), step="clone_template", progress=20)


@state()
def restored_with_warnings(scene: Scene) -> None:
    quiet(scene)
    done = scene.operation("restore", "done", NOW - timedelta(minutes=20))
    done.add_warning(Message("The system disk has {there} GiB, the package has {wanted}: a disk is never shrunk.",
                      there=64, wanted=32))  # fmt: skip


@state()
def no_schedule(scene: Scene) -> None:
    scene.backup(NOW - days(12), "before upgrade")
    scene.backup(NOW - days(40), "the first one", size=7.5)


@state()
def first_use(scene: Scene) -> None:
    pass


@state()
def first_backup_planned(scene: Scene) -> None:
    scene.schedule((1, 3, 5), "22:00")


@state()
def suspended(scene: Scene) -> None:
    quiet(scene)
    scene.service.status = "suspended"
    scene.service.next_run_at = scene.service.next_run_date = None


@state()
def backup_failed(scene: Scene) -> None:
    scene.schedule()
    scene.slot(1, "failed", reason=UNREADABLE, attempts=4)
    scene.slot(0, "failed", reason=UNREADABLE, attempts=4)
    scene.nightly(5, 4, 2)
    scene.month()


@state()
def backup_missed(scene: Scene) -> None:
    scene.schedule()
    scene.nightly(3, 2)
    scene.slot(0, "missed", reason="The clock did not run in time.")
    scene.month()


@state()
def storage_offline(scene: Scene) -> None:
    scene.schedule()
    for backup in scene.nightly(3, 2, 1, 0):
        backup.node = "pve7"
    scene.month()


@state(quota=7)
def quota_full(scene: Scene) -> None:
    quiet(scene)


@state(quota=3)
def quota_lowered(scene: Scene) -> None:
    quiet(scene)


@state(quota=3)
def all_kept(scene: Scene) -> None:
    scene.schedule()
    scene.nightly(2, 1, 0, kept=True)
    scene.month()


@state(quota=0)
def no_backups_in_package(scene: Scene) -> None:
    pass


@state(quota=1)
def quota_of_one(scene: Scene) -> None:
    scene.schedule()
    scene.nightly(0)
    scene.month()


@state()
def tonight_skipped(scene: Scene) -> None:
    scene.schedule(time="22:00")
    scene.backup(NOW - timedelta(hours=1), "by hand")
    scene.month()


@state(quota=40)
def many(scene: Scene) -> None:
    scene.schedule((0, 1, 2, 4, 5, 6))
    scene.nightly(*range(38))
    scene.backup(NOW - days(2.7), "before the upgrade of the shop", kept=True)
    scene.backup(NOW - days(5.3), "database moved to the new disk")


@state(quota=40)
def second_page(scene: Scene) -> None:
    many(scene)
    scene.path = "/?page=2"


@state(quota=40)
def only_manual(scene: Scene) -> None:
    many(scene)
    scene.path = "/?kind=manual"


@state(quota=1000)
def a_thousand(scene: Scene) -> None:
    scene.schedule()
    scene.nightly(*range(30))
    for number in range(970):
        scene.backup(NOW - days(31) - timedelta(hours=8 * number), size=7, operation=scene.slot(29 + 1 + number))


@state(act="edit")
def editing(scene: Scene) -> None:
    quiet(scene)


@state()
def damaged_and_missing(scene: Scene) -> None:
    quiet(scene)
    scene.backup(NOW - days(6.2), "moved by hand", missing_at=NOW - days(1))
    scene.backup(NOW - days(7.2), "", verification="failed", kind="scheduled")
    scene.backup(NOW - days(8.2), "handed over by support", kind="adopted", verification="")
    scene.backup(NOW - days(9.2), "قبل التحديث (v2.1)", size=0.01)


@state(act="restore")
def restore_dialog(scene: Scene) -> None:
    quiet(scene)


@state(act="remove")
def remove_dialog(scene: Scene) -> None:
    quiet(scene)


@state(act="stop")
def stop_dialog(scene: Scene) -> None:
    making_a_backup(scene)


@state()
def remove_page(scene: Scene) -> None:
    quiet(scene)
    scene.path = f"/{scene.backup(NOW - days(7.2), 'before upgrade').id}/remove"


def failed_restore(scene: Scene, *, copy: bool) -> None:
    """The restore of the manual backup failed just now; the safety copy was made before."""
    quiet(scene)
    scene.service.vm_status = "stopped"
    bad = scene.backup(NOW - days(2.1), "before the new theme", verification="failed")
    failed = scene.operation("restore", "failed", NOW - timedelta(minutes=18), backup_id=bad.id,
                             reason={"text": "{proxmox}", "values": {
                                 "proxmox": "vma-qemu-100.vma.zst : Read error (39) : premature end"}})  # fmt: skip
    if copy:
        kept = scene.backup(NOW - timedelta(minutes=24), "Safety copy from before the restore", kind="safety",
                            verification="", expires_at=NOW + days(3))  # fmt: skip
        failed.data = {"safety": kept.id}
    scene.service.restore_failed = failed.id


@state()
def restore_failed(scene: Scene) -> None:
    failed_restore(scene, copy=True)


@state()
def restore_failed_without_copy(scene: Scene) -> None:
    failed_restore(scene, copy=False)


@state(act="retry")
def retry_dialog(scene: Scene) -> None:
    failed_restore(scene, copy=True)


@state(act="reinstall")
def reinstall_dialog(scene: Scene) -> None:
    failed_restore(scene, copy=False)
    scene.service.package = {**scene.service.package, "template": 9000}


@state()
def locked_by_proxmox(scene: Scene) -> None:
    quiet(scene)
    scene.service.vm_lock, scene.service.vm_seen_at = "backup", NOW


@state(act="wrong_time")
def schedule_error(scene: Scene) -> None:
    quiet(scene)


@state(act="unsaved")
def schedule_unsaved(scene: Scene) -> None:
    quiet(scene)


@state(act="stale")
def schedule_changed_meanwhile(scene: Scene) -> None:
    quiet(scene)


@state(act="signed_out")
def signed_out(scene: Scene) -> None:
    quiet(scene)


@state(act="offline")
def offline(scene: Scene) -> None:
    quiet(scene)


@state(act="gone")
def gone(scene: Scene) -> None:
    quiet(scene)


@state(act="long_note")
def refused(scene: Scene) -> None:
    quiet(scene)


@state()
def read_only(scene: Scene) -> None:
    quiet(scene)
    scene.path = "/?as=view"
