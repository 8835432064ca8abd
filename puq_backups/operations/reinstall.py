"""The reinstall operation: check preconditions, destroy the VM, clone the template, apply the package, start.

Offered after a failed restore. The backups of the VM stay.
"""

from __future__ import annotations

from typing import Any

from ..errors import Message
from ..i18n.translator import N_
from ..models import Operation
from ..pve import permissions, vms
from ..rules.package import Package
from . import restore
from .step import GiveUp, Step, StepContext
from .steps import keep_settings, preconditions, reapply
from .steps.carry_over import carry_over, keep_system_disk
from .steps.clone import clone_template, destroy_vm
from .steps.common import config_after_failure, require_unlocked, run_pre_hooks, skip_if
from .steps.firewall import put_back_firewall
from .steps.high_availability import is_managed, put_back_ha, read_ha_entry, remove_from_ha
from .steps.keep_settings import lift_protection, put_back_protection, put_back_settings
from .steps.power import power_off, power_on
from .steps.safety_copy import make_safety_copy, plan_safety_copy, see_safety_copy


def check(step: StepContext) -> None:
    """Check that the VM can be created again and store its settings, before anything is changed."""
    failed = _failed(step)
    run_pre_hooks(step, "PreReinstall")
    config = config_after_failure(step, failed.data.get("before") or {})
    require_unlocked(config or {})
    made_again = failed.data.get("made_again") or _made_again(step, config)
    keep_settings.keep(step, config or {}, failed)
    package = Package.from_json(step.service.package)
    target = preconditions.check_all(step, package, step.operation.data["before"], config, made_again["pool"])
    step.operation.store(
        made_again=made_again, package=step.service.package, template=package.template, target=target,
        gone=config is None, identity=vms.identity(config) if config else None, undo=put_back_ha.__name__,
        snapshots=vms.snapshots(step.proxmox, step.node, step.vmid) if config else [],
    )  # fmt: skip


def _failed(step: StepContext) -> Operation:
    if not step.service.restore_failed:
        raise GiveUp("There is no failed restore.", state="refused")
    return step.load(Operation, step.service.restore_failed)


def _made_again(step: StepContext, config: dict[str, Any] | None) -> dict[str, Any]:
    """The VM's pool and HA entry, which Proxmox drops when the VM is destroyed."""
    if config is None:
        return {"pool": None, "ha": None}
    if is_managed(step):
        preconditions.require_privileges(step, ("/",), ("Sys.Audit", "Sys.Console"))
    place = vms.locate(step.proxmox).get(step.vmid)
    pool = place.pool if place else None
    if not pool and permissions.missing_privileges(step.proxmox, ("/pool",), ("Pool.Audit",)):
        step.operation.add_warning(Message("If the server was in a resource pool, it is in none now."))
    return {"pool": pool, "ha": read_ha_entry(step)}


PACKAGE: tuple[Step, ...] = (
    keep_system_disk, reapply.set_cpu_and_memory, reapply.grow_system_disk, reapply.limit_system_disk,
    reapply.make_additional_disk, reapply.grow_additional_disk, reapply.limit_additional_disk, reapply.set_network,
)  # fmt: skip
"""Steps skipped if the VM could not be destroyed: the old one still exists and stays off."""
STEPS: tuple[Step, ...] = (
    check, skip_if("gone", plan_safety_copy), skip_if("gone", power_off), skip_if("gone", make_safety_copy),
    skip_if("gone", see_safety_copy), skip_if("gone", lift_protection), skip_if("gone", remove_from_ha), destroy_vm,
    clone_template, carry_over, put_back_settings, put_back_firewall, put_back_ha, put_back_protection,
    *(skip_if("ending", step) for step in PACKAGE), power_on,
)  # fmt: skip
LABELS: dict[str, str] = {
    **restore.LABELS,
    "check": N_("Making sure that the server can be made again"),
    "remove_from_ha": N_("Taking the server out of high availability"),
    "destroy_vm": N_("Removing the old server"),
    "clone_template": N_("Copying the template"),
    "carry_over": N_("Setting network, keys and size"),
    "keep_system_disk": N_("Giving the system disk its former size"),
}
