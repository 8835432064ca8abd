"""The cases of a reinstallation."""

from __future__ import annotations

from . import troubles as it
from .case import Case, End
from .restores import BOTH, GONE, PACKAGE, SOMEBODY, lost

SETTLED = "retry, retry another, reinstall"
NEW = End("done", "on, new", "restore")
WAITED = End("waits, done", "on, new", "restore")
STARTED = End("done", "on, new", "restore", SOMEBODY)
AFTER = (
    "carry_over", "put_back_settings", "put_back_firewall", "put_back_ha", "put_back_protection", "keep_system_disk",
    *PACKAGE, "power_on",
)  # fmt: skip


def _failed(reads: str, vm: str = "off, half-restored", state: str = "failed") -> End:
    return End(state, vm, SETTLED, reads, BOTH)


BEFORE = [
    Case("reinstall", ("check",), "the template is missing", it.template_gone,
         End("refused", "off, half-restored", SETTLED, "The template 9000 is not there.", "staff"), "retry"),
    Case("reinstall", ("check",), "the node is gone", it.node_gone, WAITED),
    Case("reinstall", ("power_off", "lift_protection", "remove_from_ha"), "the node is gone", it.node_gone, WAITED),
    Case("reinstall", ("check", "destroy_vm"), "the VM was migrated", it.migrated, NEW),
    Case("reinstall", ("check", "destroy_vm"), "the VM was deleted", it.deleted, NEW),
    Case("reinstall", ("check",), "another VM has its number", it.reused,
         End("refused", "off, half-restored", "", "The virtual machine 101 is not the one", "staff")),
    Case("reinstall", ("power_off",), "the VM was deleted", it.deleted, _failed(GONE, "gone"), "reinstall"),
    Case("reinstall", ("power_off", "destroy_vm"), "somebody starts the VM", it.started, NEW),
    Case("reinstall", ("remove_from_ha",), "refused", it.refused,
         _failed("The virtual machine could not be taken out of high availability: "), "reinstall"),
    *lost("reinstall", ("remove_from_ha",), NEW),
    Case("reinstall", ("destroy_vm",), "refused", it.refused,
         _failed("The virtual machine could not be removed: simulated refusal"), "reinstall"),
    Case("reinstall", ("destroy_vm",), "the task fails", it.task_fails,
         _failed("The virtual machine could not be removed: simulated failure"), "reinstall"),
    *lost("reinstall", ("destroy_vm",), NEW),
    Case("reinstall", ("destroy_vm",), "the node is gone", it.node_gone, WAITED),
    Case("reinstall", ("destroy_vm",), "somebody starts the VM in between", it.started_in_between, NEW),
    Case("reinstall", ("destroy_vm",), "the VM is migrated in between", it.migrated_in_between, NEW),
    Case("reinstall", ("destroy_vm",), "the VM is deleted in between", it.deleted_in_between, NEW),
]  # fmt: skip
CLONE = [
    Case("reinstall", ("clone_template",), "the template is missing", it.template_gone,
         _failed("The template 9000 is not there.", "gone")),
    Case("reinstall", ("clone_template",), "refused", it.refused,
         _failed("The template could not be copied: simulated refusal", "gone"), "reinstall"),
    Case("reinstall", ("clone_template",), "the task fails", it.clone_fails,
         _failed("The template could not be copied: simulated failure", "gone"), "reinstall"),
    Case("reinstall", ("clone_template",), "no room half-way", it.no_room,
         _failed("The template could not be copied: ", "gone"), "reinstall"),
    *lost("reinstall", ("clone_template",), NEW),
    Case("reinstall", ("clone_template",), "the node is gone", it.node_gone, WAITED),
    Case("reinstall", ("clone_template",), "the template is migrated in between",
         it.in_between("migrate", vmid=9000, node="pve3"), NEW),
]  # fmt: skip
SETTING = [
    Case("reinstall", ("carry_over", *PACKAGE, "power_on"), "refused", it.refused,
         _failed("simulated refusal", "off, new"), "reinstall"),
    Case("reinstall", ("carry_over", *PACKAGE), "the task fails", it.task_fails,
         _failed("simulated failure", "off, new"), "reinstall"),
    Case("reinstall", ("power_on",), "the task fails", it.task_fails,
         _failed("The virtual machine would not start: simulated failure", "off, new"), "reinstall"),
    Case("reinstall", ("put_back_firewall",), "refused", it.refused,
         End("done", "on, new", "restore", "The firewall")),
    Case("reinstall", ("put_back_ha",), "refused", it.refused,
         End("done", "on, new", "restore", "The server is no longer under high availability")),
    *lost("reinstall", AFTER, NEW),
    Case("reinstall", AFTER, "the node is gone", it.node_gone, WAITED),
    Case("reinstall", AFTER, "somebody starts the VM", it.started, STARTED),
    Case("reinstall", AFTER, "the VM was migrated", it.migrated, NEW),
    Case("reinstall", AFTER, "the VM was deleted", it.deleted, _failed(GONE, "gone"), "reinstall"),
]  # fmt: skip

CASES = (*BEFORE, *CLONE, *SETTING)
