"""The restore operation: power off, restore the disks, apply the package, put settings back, power on."""

from __future__ import annotations

from typing import Any

from ..errors import Message
from ..i18n.translator import N_
from ..inventory import backup_marks
from ..models import Backup, Operation
from ..pve import tasks, vms
from ..rules import vm_options
from ..rules.package import Package
from ..rules.vm_options import FROM_BACKUP
from . import preflight
from .step import GiveUp, GoTo, Outcome, Start, Step, StepContext
from .steps import keep_settings, safety_copy
from .steps.common import (
    check_identity,
    config_after_failure,
    find_config,
    identity_mismatch,
    require_restored,
    require_unlocked,
    run_pre_hooks,
    skip_if,
)
from .steps.firewall import put_back_firewall
from .steps.high_availability import put_back_ha
from .steps.keep_settings import lift_protection, put_back_protection, put_back_settings
from .steps.power import power_off, power_on
from .steps.reapply import (
    grow_additional_disk,
    grow_system_disk,
    limit_additional_disk,
    limit_system_disk,
    make_additional_disk,
    set_cpu_and_memory,
    set_network,
)
from .steps.restore_call import DENIED, nothing_changed, send, send_fewer_overrides
from .steps.safety_copy import make_safety_copy, plan_safety_copy, see_safety_copy


def check(step: StepContext) -> None:
    """Check VM, archive, storages and free space, and store the VM's settings, before anything is changed."""
    backup, failed = _backup(step), _failed(step)
    run_pre_hooks(step, "PreRestore", backup_id=backup.id)
    config = config_after_failure(step, failed.data.get("before") or {}) if failed else check_identity(step)
    require_unlocked(config or {})
    package = Package.from_json(step.service.package)
    kept = failed.data.get("before") if failed else None
    plan = preflight.plan_restore(step.proxmox, step.service, backup, package, kept=kept)
    step.operation.store(preflight=plan.to_json())
    if plan.reasons_against:
        reason = plan.reasons_against[0]
        if reason == preflight.ARCHIVE_GONE:
            backup_marks.mark_missing(step.session, step.service.id, backup.id)
        raise GiveUp(reason.text, state="refused", **reason.values)
    keep_settings.keep(step, config or {}, failed)
    step.operation.store(
        snapshots=list(plan.snapshots), package=step.service.package, was_running=plan.running,
        gone=config is None, undo=keep_settings.put_back_protection.__name__ if config else None,
    )  # fmt: skip


def _failed(step: StepContext) -> Operation | None:
    return step.load(Operation, step.service.restore_failed) if step.service.restore_failed else None


def _backup(step: StepContext) -> Backup:
    return step.load(Backup, step.operation.backup_id)


def restore_disks(step: StepContext) -> Outcome:
    """Restore the backup's disks and configuration over the VM."""
    if step.task_result is not None:
        return _handle_result(step)
    backup = _backup(step)
    # An earlier call, if there was one, started no task.
    step.operation.store(touched=False)
    if not _is_gone(step):
        status = vms.status(step.proxmox, step.node, step.vmid)
        require_unlocked({"lock": status.lock})
        if status.status != "stopped":
            return GoTo("power_off")
    step.operation.store(touched=True)
    return Start(
        call=lambda: send(step, backup.volid),
        type="qmrestore",
        id=str(step.vmid),
        audit=f"restore of VM {step.vmid} from {backup.volid}",
        tolerate=True,
    )


def _is_gone(step: StepContext) -> bool:
    """Whether there is no VM to restore over, because a reinstallation failed after it had destroyed the VM.

    Raises GiveUp if somebody else created a VM with this number meanwhile. A VM without identity is what our own
    attempt left.
    """
    if not step.operation.data.get("gone"):
        return False
    config = find_config(step)
    if config is not None and vms.identity(config):
        raise identity_mismatch(step, state="failed")
    step.operation.store(gone=config is None)
    return config is None


def _handle_result(step: StepContext) -> GoTo | None:
    """Handle the end of the restore task.

    The log reports damage even if nothing was changed, so the VM's configuration decides.
    """
    ended = step.task_result
    assert ended is not None  # noqa: S101 - checked by the caller
    config = vms.config(step.proxmox, step.node, step.vmid)
    if ended.ok or (ended.ok is None and _rewritten(step, config)):
        require_restored(step, config)
        for warning in ended.warnings if ended.ok else [f"{ended.reason} The server was restored."]:
            step.operation.add_warning(Message("{proxmox}", {"proxmox": warning}))
        if reason := step.operation.data.get("refused"):
            text = N_("Not all values could be sent with the restore, they are set after it: {proxmox}")
            step.operation.add_warning(Message(text, proxmox=reason))
        if options := vm_options.from_backup(step.operation.data["before"], config):
            step.operation.add_warning(Message(FROM_BACKUP, options=", ".join(options)))
        step.service.vm_identity = vms.identity(config)
        step.operation.store(gone=False)
        backup_marks.mark_damaged(step.session, step.service.id, str(step.operation.backup_id), damaged=False)
        return None
    damaged = tasks.is_damaged(ended.lines)
    if damaged:
        backup_marks.mark_damaged(step.session, step.service.id, str(step.operation.backup_id), damaged=True)
    if not _untouched(step, config):
        if damaged:
            raise GiveUp("The restore failed: this backup is damaged. {proxmox}", proxmox=ended.reason)
        raise GiveUp("The restore failed: {proxmox}", proxmox=ended.reason)
    step.operation.store(touched=False)
    if ended.reason.endswith(" - vm is running"):
        # Somebody started the VM after the check.
        return GoTo("power_off")
    if DENIED in ended.reason and send_fewer_overrides(step, ended.reason):
        return GoTo("restore_disks")
    raise nothing_changed(ended.reason)


def _rewritten(step: StepContext, config: dict[str, Any]) -> bool:
    """Whether the restore was completed: its last action gives the VM a new vmgenid."""
    now_it_is = config.get("vmgenid")
    return bool(now_it_is) and now_it_is != step.operation.data["before"].get("vmgenid") and bool(vms.disks(config))


def _untouched(step: StepContext, config: dict[str, Any]) -> bool:
    """Whether a failed restore changed nothing. Disk names alone prove nothing, because new disks may reuse them."""
    before, ended = step.operation.data["before"], step.task_result
    assert ended is not None  # noqa: S101 - checked by the caller
    same = vms.disks(config) == vms.disks(before) and config.get("vmgenid") == before.get("vmgenid")
    told = ended.ok is False and not any("error after data was restored" in line for line in ended.lines)
    return bool(vms.disks(before)) and same and (told or bool(before.get("vmgenid")))


STEPS: tuple[Step, ...] = (
    check, plan_safety_copy, skip_if("gone", power_off), make_safety_copy, see_safety_copy,
    skip_if("gone", lift_protection), restore_disks, set_cpu_and_memory, grow_system_disk, limit_system_disk,
    make_additional_disk, grow_additional_disk, limit_additional_disk, set_network, put_back_settings,
    put_back_firewall, put_back_protection, put_back_ha, power_on,
)  # fmt: skip
LABELS: dict[str, str] = {
    "check": N_("Checking the backup and the server"),
    "power_off": N_("Switching the server off"),
    "restore_disks": N_("Restoring the disks"),
    "set_cpu_and_memory": N_("Setting CPU and memory"),
    "grow_system_disk": N_("Resizing the system disk"),
    "limit_system_disk": N_("Setting the system disk's limits"),
    "make_additional_disk": N_("Adding the additional disk"),
    "grow_additional_disk": N_("Resizing the additional disk"),
    "limit_additional_disk": N_("Setting the additional disk's limits"),
    "set_network": N_("Setting the network"),
    "put_back_ha": N_("Putting the server under high availability again"),
    "power_on": N_("Starting the server"),
    **keep_settings.LABELS,
    **safety_copy.LABELS,
}
