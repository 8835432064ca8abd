"""The cases of a restore, of its safety copy, of a retry and of the way back."""

from __future__ import annotations

from . import troubles as it
from .case import Case, End

PACKAGE = (
    "set_cpu_and_memory", "grow_system_disk", "limit_system_disk", "make_additional_disk", "grow_additional_disk",
    "limit_additional_disk", "set_network",
)  # fmt: skip
PUT_BACK = ("put_back_settings", "put_back_firewall", "put_back_protection")
AFTER = (*PACKAGE, *PUT_BACK, "power_on")
SOMEBODY = "The server was started by somebody else"
GONE = "The virtual machine 101 is no longer there."
NOTHING = "The restore failed before anything was changed: "
FAILED = "The restore failed: "
SETTLED = "retry, retry another, reinstall"
BOTH = "client, staff"

RESTORED = End("done", "on, restored", "restore")
WAITED = End("waits, done", "on, restored", "restore")
STARTED = End("done", "on, restored", "restore", SOMEBODY)


def _as_it_was(reads: str, state: str = "failed") -> End:
    return End(state, "on, as it was", "restore", reads, BOTH)


def _off(reads: str, vm: str = "off, restored", ways: str = SETTLED, state: str = "failed") -> End:
    return End(state, vm, ways, reads, BOTH)


def lost(operation: str, steps: tuple[str, ...], end: End) -> list[Case]:
    """The outcome of the step's call is unknown, in each way."""
    ways = {"before it arrives": it.lost_before, "after it arrived": it.lost_after, "by a 596": it.gateway}
    return [Case(operation, steps, f"the answer is lost {how}", wrong, end) for how, wrong in ways.items()]


CHECK = [
    Case("restore", ("check",), "the node is gone", it.node_gone, WAITED),
    Case("restore", ("check",), "the VM was migrated", it.migrated, RESTORED),
    Case("restore", ("check",), "the VM was deleted", it.deleted, End("failed", "gone", "restore", GONE, BOTH)),
    Case("restore", ("check",), "another VM has its number", it.reused,
         End("refused", "on, as it was", "", "The virtual machine 101 is not the one", BOTH)),
    Case("restore", ("check",), "the archive is gone", it.archive_gone,
         _as_it_was("The file of this backup is no longer", "refused"), "restore"),
    Case("restore", ("check",), "the archive's storage is offline", it.control("storage-offline", storage="nfs"),
         _as_it_was("The storage nfs is offline.", "refused"), "restore"),
    Case("restore", ("check",), "the storage of the disks is offline", it.control("storage-offline", storage="ceph"),
         _as_it_was("The disks would go to the storage ceph, which is offline.", "refused"), "restore"),
]  # fmt: skip
OFF = [
    Case("restore", ("power_off",), "refused", it.refused, _as_it_was("simulated refusal"), "restore"),
    Case("restore", ("power_off",), "the tasks fail", it.task_fails, WAITED),
    *lost("restore", ("power_off",), RESTORED),
    Case("restore", ("power_off", "lift_protection"), "the node is gone", it.node_gone, WAITED),
    Case("restore", ("power_off", "lift_protection"), "the VM was migrated", it.migrated, RESTORED),
    Case("restore", ("power_off", "lift_protection"), "the VM was deleted", it.deleted,
         End("failed", "gone", "restore", GONE, BOTH)),
    Case("restore", ("lift_protection",), "refused", it.refused,
         _as_it_was("The protection of the virtual machine 101 could not be lifted: ", "refused"), "restore"),
    Case("restore", ("lift_protection",), "the task fails", it.task_fails,
         _as_it_was("The protection of the virtual machine 101 could not be lifted: ", "refused"), "restore"),
    *lost("restore", ("lift_protection",), RESTORED),
    Case("restore", ("lift_protection",), "somebody starts the VM", it.started, RESTORED),
]  # fmt: skip
DISKS = [
    Case("restore", ("restore_disks",), "refused", it.refused, _as_it_was(f"{NOTHING}simulated refusal"), "restore"),
    Case("restore", ("restore_disks",), "the task fails at once", it.task_fails,
         _as_it_was(f"{NOTHING}simulated failure"), "restore"),
    Case("restore", ("restore_disks",), "the storage of the disks is offline",
         it.control("storage-offline", storage="ceph"), _off(FAILED, "off, half-restored"), "retry"),
    Case("restore", ("restore_disks",), "the archive goes in between", it.archive_gone_in_between,
         _as_it_was(NOTHING), "restore"),
    *lost("restore", ("restore_disks",), RESTORED),
    Case("restore", ("restore_disks",), "the node is gone", it.node_gone, WAITED),
    Case("restore", ("restore_disks",), "somebody starts the VM", it.started, RESTORED),
    Case("restore", ("restore_disks",), "somebody starts the VM in between", it.started_in_between, RESTORED),
    Case("restore", ("restore_disks",), "the VM was migrated", it.migrated, RESTORED),
    Case("restore", ("restore_disks",), "the VM is migrated in between", it.migrated_in_between, RESTORED),
    Case("restore", ("restore_disks",), "the VM was deleted", it.deleted,
         End("failed", "gone", "restore", GONE, BOTH)),
    Case("restore", ("restore_disks",), "the VM is deleted in between", it.deleted_in_between,
         End("failed", "gone", "restore", GONE, BOTH)),
    Case("restore", ("restore_disks",), "the archive is corrupt", it.archive_damaged,
         _off(FAILED, "off, half-restored"), "retry another"),
    Case("restore", ("restore_disks",), "no room half-way", it.no_room, _off(FAILED, "off, half-restored"), "retry"),
    Case("restore", ("restore_disks",), "the node dies half-way", it.node_dies,
         _off(FAILED, "off, half-restored", state="waits, failed"), "retry"),
    Case("restore", ("restore_disks",), "the archive's storage goes offline half-way",
         it.half_way("storage-offline", storage="nfs"), _off(FAILED, "off, half-restored"), "retry"),
    Case("restore", ("restore_disks",), "an error after the data", it.after_the_data, _off(FAILED), "retry"),
]  # fmt: skip
SETTING = [
    Case("restore", (*PACKAGE,), "refused", it.refused, _off("simulated refusal"), "retry"),
    Case("restore", (*PACKAGE,), "the task fails", it.task_fails, _off("simulated failure"), "retry"),
    *lost("restore", AFTER, RESTORED),
    Case("restore", AFTER, "the node is gone", it.node_gone, WAITED),
    Case("restore", AFTER, "somebody starts the VM", it.started, STARTED),
    Case("restore", AFTER, "the VM was migrated", it.migrated, RESTORED),
    Case("restore", AFTER, "the VM was deleted", it.deleted, _off(GONE, "gone"), "reinstall"),
    Case("restore", ("put_back_settings",), "refused", it.refused,
         End("done", "on, restored", "restore", "Name, description, agent")),
    Case("restore", ("put_back_settings",), "the task fails", it.task_fails,
         End("done", "on, restored", "restore", "Name, description, agent")),
    Case("restore", ("put_back_firewall",), "refused", it.refused,
         End("done", "on, restored", "restore", "The firewall")),
    Case("restore", ("put_back_protection",), "refused", it.refused,
         End("done", "on, restored", "restore", "The protection against changes")),
    Case("restore", ("put_back_protection",), "the task fails", it.task_fails,
         End("done", "on, restored", "restore", "The protection against changes")),
    Case("restore", ("put_back_ha",), "the node is gone", it.node_gone, WAITED),
    Case("restore", ("power_on",), "refused", it.refused, _off("simulated refusal"), "retry"),
    Case("restore", ("power_on",), "the task fails", it.task_fails,
         _off("The virtual machine would not start: simulated failure"), "retry"),
]  # fmt: skip

COPY = "restore with a safety copy"
NO_COPY = "No safety copy could be made, so nothing was restored: "
WITH_BACK = "retry, retry another, back, reinstall"
SAFETY = [
    Case(COPY, ("plan_safety_copy", "make_safety_copy"), "the archive's storage is offline",
         it.control("storage-offline", storage="nfs"), _as_it_was(NO_COPY), "restore"),
    Case(COPY, ("plan_safety_copy", "make_safety_copy"), "the node is gone", it.node_gone, WAITED),
    Case(COPY, ("make_safety_copy",), "refused", it.refused, _as_it_was(NO_COPY), "restore"),
    Case(COPY, ("make_safety_copy",), "the task fails", it.task_fails, _as_it_was(NO_COPY), "restore"),
    Case(COPY, ("make_safety_copy",), "no room half-way",
         it.control("backup-error", vmid=it.VMID, text="No space left on device"), _as_it_was(NO_COPY), "restore"),
    *lost(COPY, ("make_safety_copy",), RESTORED),
    Case(COPY, ("make_safety_copy", "see_safety_copy"), "somebody starts the VM", it.started, RESTORED),
    Case(COPY, ("make_safety_copy", "see_safety_copy"), "the VM was migrated", it.migrated, RESTORED),
    Case(COPY, ("make_safety_copy", "see_safety_copy"), "the VM was deleted", it.deleted,
         End("failed", "gone", "restore", GONE, BOTH)),
    Case(COPY, ("restore_disks",), "the archive is corrupt", it.archive_damaged,
         _off(FAILED, "off, half-restored", WITH_BACK), "back"),
    Case(COPY, ("restore_disks",), "no room half-way", it.no_room,
         _off(FAILED, "off, half-restored", WITH_BACK), "back"),
]  # fmt: skip
ON = [
    Case("retry", ("restore_disks",), "the archive is corrupt", it.archive_damaged,
         _off(FAILED, "off, half-restored"), "retry another"),
    Case("retry", ("restore_disks",), "refused", it.refused,
         _off(NOTHING, "off, half-restored"), "retry"),
    *lost("retry", ("restore_disks",), RESTORED),
    Case("back", ("restore_disks",), "no room half-way", it.no_room,
         _off(FAILED, "off, half-restored", WITH_BACK), "back"),
    Case("back", ("restore_disks",), "the VM was deleted", it.deleted, _off(GONE, "gone", WITH_BACK), "reinstall"),
    *lost("back", ("restore_disks",), End("done", "on, as it was", "restore")),
]  # fmt: skip

CASES = (*CHECK, *OFF, *DISKS, *SETTING, *SAFETY, *ON)
