"""Restore: power off, restore, give the VM its package again, start it. Each step changes only what differs."""

from __future__ import annotations

from typing import Any

from ..errors import Message, ProxmoxBusy, ProxmoxRefused
from ..i18n.translator import N_
from ..models import Backup, Operation
from ..pve import backups as archives
from ..pve import vms
from ..rules.package import Package
from . import preflight
from .errors import passes
from .step import GiveUp, Hop, LookAgain, Outcome, Start, Step, Work
from .steps import keep_settings, safety_copy
from .steps.common import may_go_ahead, not_ours, present, ruin, same_vm, unless, unlocked
from .steps.firewall import put_back_firewall
from .steps.high_availability import put_back_ha
from .steps.keep_settings import lift_protection, put_back_protection, put_back_settings
from .steps.power import power_off, power_on
from .steps.reapply import (
    beforehand,
    grow_additional_disk,
    grow_system_disk,
    limit_additional_disk,
    limit_system_disk,
    make_additional_disk,
    set_cpu_and_memory,
    set_network,
)
from .steps.safety_copy import make_safety_copy, plan_safety_copy, see_safety_copy

OVERRIDES = ("all", "machine", "none")
"""What is sent with the restore, less with each refusal: the kept options too, CPU, memory and network, nothing."""
DENIED = "Permission check failed"
TAKEN = "already exists on node"


def check(work: Work) -> None:
    """Make sure of VM, archive, storages and room, and keep what the VM is like, before anything is touched."""
    backup, failed = _backup(work), _failed(work)
    may_go_ahead(work, "PreRestore", backup_id=backup.id)
    config = ruin(work, failed.data.get("before") or {}) if failed else same_vm(work)
    unlocked(config or {})
    package = Package.from_json(work.service.package)
    kept = failed.data.get("before") if failed else None
    plan = preflight.look(work.proxmox, work.service, backup, package, kept=kept)
    work.operation.store(preflight=plan.to_json())
    if plan.reasons_against:
        reason = plan.reasons_against[0]
        raise GiveUp(reason.text, state="refused", **reason.values)
    keep_settings.keep(work, config or {}, failed)
    work.operation.store(
        snapshots=list(plan.snapshots), package=work.service.package, was_running=plan.running,
        gone=config is None, undo=keep_settings.put_back_protection.__name__ if config else None,
    )  # fmt: skip


def _failed(work: Work) -> Operation | None:
    return work.find(Operation, work.service.restore_failed) if work.service.restore_failed else None


def _backup(work: Work) -> Backup:
    return work.find(Backup, work.operation.backup_id)


def restore_disks(work: Work) -> Outcome:
    """Have Proxmox write the backup's disks and configuration over the VM."""
    if work.ended is not None:
        return _restored(work)
    backup = _backup(work)
    # What was sent before, if anything was, never began: no task came of it.
    work.operation.store(touched=False)
    if not _is_gone(work):
        status = vms.status(work.proxmox, work.node, work.vmid)
        unlocked({"lock": status.lock})
        if status.status != "stopped":
            return Hop("power_off")
    work.operation.store(touched=True)
    return Start(
        call=lambda: _send(work, backup.volid),
        type="qmrestore",
        id=str(work.vmid),
        audit=f"restore of VM {work.vmid} from {backup.volid}",
        tolerate=True,
    )


def _is_gone(work: Work) -> bool:
    """Whether there is still no VM to restore over, after a reinstallation that failed half-way.

    One that somebody made meanwhile is left alone; what is without identity is what an attempt of ours left.
    """
    if not work.operation.data.get("gone"):
        return False
    config = present(work)
    if config is not None and vms.identity(config):
        raise not_ours(work, state="failed")
    work.operation.store(gone=config is None)
    return config is None


def _send(work: Work, volid: str) -> Any:
    data = work.operation.data
    storage = Package.from_json(data["package"]).restore_storage or None
    made_again = data.get("made_again") or {}
    try:
        return archives.restore(
            work.proxmox, work.node, work.vmid, archive=volid, storage=storage, overrides=_overrides(work),
            fresh=bool(data.get("gone")), pool=made_again.get("pool"),
        )  # fmt: skip
    except ProxmoxRefused as error:
        work.operation.store(touched=False)
        if passes(error):
            raise
        if TAKEN in str(error):
            # It was moved, or somebody made one, after our last look: the next look tells.
            raise ProxmoxBusy(str(error)) from error
        if error.http_status in {400, 403} and _with_less(work, str(error)):
            raise LookAgain from error
        raise _nothing_changed(str(error)) from error


def _overrides(work: Work) -> dict[str, Any]:
    """What the VM is to have instead of the backup's values, from the first moment on."""
    data = work.operation.data
    level = data.get("overrides", OVERRIDES[0])
    machine = beforehand(Package.from_json(data["package"]), data["before"]) if level != OVERRIDES[-1] else {}
    return {**keep_settings.beforehand(data["before"]), **machine} if level == OVERRIDES[0] else machine


def _with_less(work: Work, reason: str) -> bool:
    """Go on with fewer values sent along; False where there were none: the refusal was not for their sake."""
    at = OVERRIDES.index(work.operation.data.get("overrides", OVERRIDES[0]))
    if at + 1 == len(OVERRIDES):
        return False
    work.operation.store(overrides=OVERRIDES[at + 1], refused=reason)
    return True


def _nothing_changed(reason: str) -> GiveUp:
    return GiveUp("The restore failed before anything was changed: {proxmox}", proxmox=reason)


def _restored(work: Work) -> Hop | None:
    """Judge the end of Proxmox's restore. Its log claims damage even where nothing was touched, so look at the VM."""
    ended = work.ended
    assert ended is not None  # noqa: S101 - said by the caller
    config = vms.config(work.proxmox, work.node, work.vmid)
    if ended.ok or (ended.ok is None and _rewritten(work, config)):
        for warning in ended.warnings if ended.ok else [f"{ended.reason} The virtual machine was restored."]:
            work.operation.add_warning(Message("{proxmox}", {"proxmox": warning}))
        if reason := work.operation.data.get("refused"):
            text = "Not all values could be sent with the restore, they are set after it: {proxmox}"
            work.operation.add_warning(Message(text, proxmox=reason))
        work.service.vm_identity = vms.identity(config)
        work.operation.store(gone=False)
        return None
    if not _untouched(work, config):
        raise GiveUp("The restore failed: {proxmox}", proxmox=ended.reason)
    work.operation.store(touched=False)
    if ended.reason.endswith(" - vm is running"):
        # Somebody started it after our last look.
        return Hop("power_off")
    if DENIED in ended.reason and _with_less(work, ended.reason):
        return Hop("restore_disks")
    raise _nothing_changed(ended.reason)


def _rewritten(work: Work, config: dict[str, Any]) -> bool:
    """Whether a restore is seen to have gone through: each one gives the VM a new vmgenid, in its last act."""
    now_it_is = config.get("vmgenid")
    return bool(now_it_is) and now_it_is != work.operation.data["before"].get("vmgenid") and bool(vms.disks(config))


def _untouched(work: Work, config: dict[str, Any]) -> bool:
    """Whether a failed restore is seen to have changed nothing. New disks may bear the old ones' names."""
    before, ended = work.operation.data["before"], work.ended
    assert ended is not None  # noqa: S101 - said by the caller
    same = vms.disks(config) == vms.disks(before) and config.get("vmgenid") == before.get("vmgenid")
    told = ended.ok is False and not any("error after data was restored" in line for line in ended.lines)
    return bool(vms.disks(before)) and same and (told or bool(before.get("vmgenid")))


STEPS: tuple[Step, ...] = (
    check, plan_safety_copy, unless("gone", power_off), make_safety_copy, see_safety_copy,
    unless("gone", lift_protection), restore_disks, set_cpu_and_memory, grow_system_disk, limit_system_disk,
    make_additional_disk, grow_additional_disk, limit_additional_disk, set_network, put_back_settings,
    put_back_firewall, put_back_protection, put_back_ha, power_on,
)  # fmt: skip
LABELS: dict[str, str] = {
    "check": N_("Checking the backup and the virtual machine"),
    "power_off": N_("Powering the virtual machine off"),
    "restore_disks": N_("Restoring the disks"),
    "set_cpu_and_memory": N_("Setting CPU and memory"),
    "grow_system_disk": N_("Resizing the system disk"),
    "limit_system_disk": N_("Setting the system disk's limits"),
    "make_additional_disk": N_("Adding the additional disk"),
    "grow_additional_disk": N_("Resizing the additional disk"),
    "limit_additional_disk": N_("Setting the additional disk's limits"),
    "set_network": N_("Setting the network"),
    "put_back_ha": N_("Putting the virtual machine under high availability again"),
    "power_on": N_("Starting the virtual machine"),
    **keep_settings.LABELS,
    **safety_copy.LABELS,
}
