"""States of the page as a whole: protected, suspended, offline, many backups, dialogs of a backup."""

from __future__ import annotations

from datetime import timedelta

from puq_backups.models import Storage

from .prepared_host import NOW, PreparedService
from .registry import days, quiet, state


@state()
def protected(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="menu")
def menu_open(prepared: PreparedService) -> None:
    quiet(prepared)


@state()
def suspended(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.service.status = "suspended"
    prepared.service.next_run_at = prepared.service.next_run_date = None


@state()
def storage_offline(prepared: PreparedService) -> None:
    prepared.schedule()
    since = NOW - timedelta(hours=6, minutes=50)
    prepared.session.add(Storage(id="nas", server_id="pve", name="nas", type="nfs", active=False, unseen=True,
                                 active_at=since, seen_at=NOW, trouble="storage"))  # fmt: skip
    for backup in prepared.nightly(3, 2, 1, 0):
        backup.storage = "nas"
    prepared.month()


@state()
def backups_on_another_node(prepared: PreparedService) -> None:
    prepared.schedule()
    for backup in prepared.nightly(3, 2, 1, 0):
        backup.node = "pve7"
    prepared.month()


@state(quota=40)
def many(prepared: PreparedService) -> None:
    prepared.schedule((0, 1, 2, 4, 5, 6))
    prepared.nightly(*range(38))
    prepared.backup(NOW - days(2.7), "before the upgrade of the shop", kept=True)
    prepared.backup(NOW - days(5.3), "database moved to the new disk")


@state(quota=40)
def second_page(prepared: PreparedService) -> None:
    many(prepared)
    prepared.path = "/?page=2"


@state(quota=40)
def only_manual(prepared: PreparedService) -> None:
    many(prepared)
    prepared.path = "/?kind=manual"


@state(quota=1000)
def a_thousand(prepared: PreparedService) -> None:
    prepared.schedule()
    prepared.nightly(*range(30))
    for number in range(970):
        prepared.backup(
            NOW - days(31) - timedelta(hours=8 * number), size=7, operation=prepared.slot(29 + 1 + number)
        )


@state(step="edit")
def editing(prepared: PreparedService) -> None:
    quiet(prepared)


@state()
def damaged_and_missing(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.backup(NOW - days(6.2), "moved by hand", missing_at=NOW - days(1))
    prepared.backup(NOW - days(7.2), "", verification="failed", kind="scheduled")
    prepared.backup(NOW - days(8.2), "handed over by support", kind="adopted", verification="")
    prepared.backup(NOW - days(9.2), "قبل التحديث (v2.1)", size=0.01)


@state(step="restore")
def restore_dialog(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="remove")
def remove_dialog(prepared: PreparedService) -> None:
    quiet(prepared)


@state()
def remove_page(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.path = f"/{prepared.backup(NOW - days(7.2), 'before upgrade').id}/remove"


@state()
def locked_by_proxmox(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.service.vm_lock, prepared.service.vm_seen_at = "backup", NOW


@state(step="signed_out")
def signed_out(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="offline")
def offline(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="gone")
def gone(prepared: PreparedService) -> None:
    quiet(prepared)


@state(step="long_note")
def refused(prepared: PreparedService) -> None:
    quiet(prepared)


@state()
def read_only(prepared: PreparedService) -> None:
    quiet(prepared)
    prepared.path = "/?as=view"
