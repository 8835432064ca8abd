"""Restore: power off, restore, give the VM its package again, start it. Each step changes only what differs."""

from __future__ import annotations

import time
from typing import Any

from ..errors import Message, NotStarted, ProxmoxRefused, VmMissing
from ..i18n import N_
from ..models import Backup, Operation
from ..packages import Package
from ..pve import backups as archives
from ..pve import vms
from . import disks
from .steps import may_go_ahead, same_vm, storage_there, unlocked
from .work import GiveUp, Hop, Outcome, Start, Step, Wait, Work

GIB = 1024**3
REQUEST_TAKES = 120
"""Seconds within which HA does what it was asked for."""


def check(work: Work) -> None:
    """Make sure of VM, archive and storage, and keep the VM's configuration, before anything is touched."""
    backup, kept = _backup(work), _kept_config(work)
    may_go_ahead(work, "PreRestore", backup_id=backup.id)
    config = vms.config(work.proxmox, work.node, work.vmid)
    if not work.service.restore_failed:
        config = same_vm(work)
    unlocked(config)
    storage_there(work, backup.storage)
    if archives.one(work.proxmox, work.node, backup.volid) is None:
        raise GiveUp("The file of this backup is no longer on its storage.")
    before = kept or config
    status = vms.status(work.proxmox, work.node, work.vmid)
    work.operation.keep(
        before=before,
        snapshots=vms.snapshots(work.proxmox, work.node, work.vmid),
        package=work.service.package,
        was_running=status.status == "running",
    )


def _kept_config(work: Work) -> dict[str, Any] | None:
    """After a failed restore the VM's own configuration is lost: the one kept by that operation stands."""
    failed = work.find(Operation, work.service.restore_failed) if work.service.restore_failed else None
    return failed.data.get("before") if failed else None


def _backup(work: Work) -> Backup:
    return work.find(Backup, work.operation.backup_id)


def power_off(work: Work) -> Outcome:
    """Shut the VM down, stop it if it does not, and wait until Proxmox has released it."""
    status = vms.status(work.proxmox, work.node, work.vmid)
    work.service.vm_status, work.service.vm_lock = status.status, status.lock or ""
    if status.lock:
        unlocked({"lock": status.lock})
    if status.status == "stopped":
        return None
    limit = int(work.toolbox.settings.shutdown_timeout.total_seconds())
    data = work.operation.data
    if work.ended is not None:
        work.operation.keep(off_asked=time.time(), shutdown_ended=True)
    elif limit and not data.get("shutdown_ended"):
        # Without an end it was never sent, or never began: the guest has not had its chance yet.
        return _power(work, "qmshutdown", lambda: vms.shutdown(work.proxmox, work.node, work.vmid, timeout=limit))
    if status.ha_managed and _lately(work, "off_asked"):
        # Under HA a task only asks: what counts is the status seen.
        return Wait(work.toolbox.settings.poll.total_seconds())
    return _power(work, "qmstop", lambda: vms.stop(work.proxmox, work.node, work.vmid))


def _lately(work: Work, when: str) -> bool:
    return time.time() - float(work.operation.data.get(when) or 0) < REQUEST_TAKES


def _power(work: Work, kind: str, call: Any) -> Start:
    return Start(call=call, type=kind, id=str(work.vmid), audit=f"{kind} of VM {work.vmid}", tolerate=True)


def restore_disks(work: Work) -> Outcome:
    """Have Proxmox write the backup's disks and configuration over the VM."""
    if work.ended is not None:
        return _restored(work)
    backup = _backup(work)
    status = vms.status(work.proxmox, work.node, work.vmid)
    unlocked({"lock": status.lock})
    if status.status != "stopped":
        return Hop("power_off")
    work.operation.keep(touched=True)
    return Start(
        call=lambda: _send(work, backup.volid),
        type="qmrestore",
        id=str(work.vmid),
        audit=f"restore of VM {work.vmid} from {backup.volid}",
        tolerate=True,
    )


def _send(work: Work, volid: str) -> Any:
    package = Package.from_json(work.operation.data["package"])
    storage = package.restore_storage or None
    try:
        return archives.restore(work.proxmox, work.node, work.vmid, archive=volid, storage=storage)
    except ProxmoxRefused as error:
        work.operation.keep(touched=False)
        if error.retryable or isinstance(error, (VmMissing, NotStarted)):
            raise
        raise _nothing_changed(work, str(error)) from error


def _nothing_changed(work: Work, reason: str) -> GiveUp:
    return GiveUp(
        "The restore failed before anything was changed: {proxmox}",
        after="power_on" if work.operation.data.get("was_running") else None,
        proxmox=reason,
    )


def _restored(work: Work) -> Hop | None:
    """Judge the end of Proxmox's restore. Its log claims damage even where nothing was touched, so look at the VM."""
    ended = work.ended
    assert ended is not None  # noqa: S101 - said by the caller
    config = vms.config(work.proxmox, work.node, work.vmid)
    if ended.ok or (ended.ok is None and _rewritten(work, config)):
        for warning in ended.warnings if ended.ok else [f"{ended.reason} The virtual machine was restored."]:
            work.operation.warn(Message("{proxmox}", {"proxmox": warning}))
        work.service.identity = vms.identity(config)
        return None
    if not _untouched(work, config):
        raise GiveUp("The restore failed: {proxmox}", proxmox=ended.reason)
    work.operation.keep(touched=False)
    if ended.reason.endswith(" - vm is running"):
        # Somebody started it after our last look.
        return Hop("power_off")
    raise _nothing_changed(work, ended.reason)


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


def set_cpu_and_memory(work: Work) -> Outcome:
    """Set CPU and RAM if different from the restored values."""
    package, config = _state(work)
    changes: dict[str, Any] = {}
    total = int(config.get("cores") or 1) * int(config.get("sockets") or 1)
    if package.cores and package.cores != total:
        changes |= {"cores": package.cores, "sockets": 1}
    if package.memory and package.memory != vms.memory_mib(config):
        changes["memory"] = package.memory
    memory = package.memory or vms.memory_mib(config)
    if int(config.get("balloon") or 0) > memory:
        # Proxmox refuses a balloon above the memory, so both go in one call.
        changes["balloon"] = memory
    return disks.configure(work, config, changes, "CPU and memory")


def grow_system_disk(work: Work) -> Outcome:
    """Resize the system disk if different; it is never made smaller."""
    package, config = _state(work)
    return disks.grow(work, config, vms.boot_disk(config), package.system_disk)


def limit_system_disk(work: Work) -> Outcome:
    """Re-apply the system disk's bandwidth limits."""
    package, config = _state(work)
    return disks.limit(work, config, vms.boot_disk(config), _limits(package, "system"))


def make_additional_disk(work: Work) -> Outcome:
    """Re-attach the additional disk the backup lacked, or make one if the VM has none."""
    package, config = _state(work)
    return disks.make(work, config, package)


def grow_additional_disk(work: Work) -> Outcome:
    """Resize the additional disk if different; it is never made smaller."""
    package, config = _state(work)
    return disks.grow(work, config, disks.additional(config), package.additional_disk)


def limit_additional_disk(work: Work) -> Outcome:
    """Re-apply the additional disk's bandwidth limits."""
    package, config = _state(work)
    return disks.limit(work, config, disks.additional(config), _limits(package, "additional"))


def set_network(work: Work) -> Outcome:
    """Re-apply bridge, VLAN, bandwidth and MAC."""
    package, config = _state(work)
    before = vms.parse_net(str(work.operation.data["before"].get("net0") or "") or "virtio")
    net = vms.parse_net(str(config.get("net0") or "") or before.format())
    options = dict(net.options)
    if package.bridge:
        options["bridge"] = package.bridge
    for name, value in (("tag", package.vlan), ("rate", package.rate)):
        if value:
            options[name] = disks.number(value)
        elif value is not None:
            options.pop(name, None)
    wanted = vms.Net(model=net.model, mac=package.mac or before.mac or net.mac, options=options)
    changes = {} if same_net(wanted, net) or not options.get("bridge") else {"net0": wanted.format()}
    return disks.configure(work, config, changes, "network")


def same_net(one: vms.Net, other: vms.Net) -> bool:
    """Whether two network cards are the same: MACs in any case, numbers by value."""

    def facts(net: vms.Net) -> tuple[Any, ...]:
        options = {name: disks.number(value) for name, value in net.options.items()}
        return net.model, (net.mac or "").upper(), options

    return facts(one) == facts(other)


def power_on(work: Work) -> Outcome:
    """Start the VM, after once more applying a package that changed meanwhile."""
    data = work.operation.data
    if not data.get("ending") and work.service.package != data["package"] and not data.get("applied_again"):
        work.operation.keep(package=work.service.package, applied_again=True)
        return Hop("set_cpu_and_memory")
    status = vms.status(work.proxmox, work.node, work.vmid)
    work.service.vm_status, work.service.vm_lock = status.status, status.lock or ""
    if status.status == "running":
        return None
    if work.ended is not None and work.ended.ok is False:
        raise GiveUp("The virtual machine would not start: {proxmox}", proxmox=work.ended.reason)
    if work.ended is not None:
        work.operation.keep(on_asked=time.time())
    if _lately(work, "on_asked"):
        return Wait(work.toolbox.settings.poll.total_seconds())
    if work.operation.data.get("on_asked"):
        raise GiveUp("The virtual machine was started, but it does not run.")
    return _power(work, "qmstart", lambda: vms.start(work.proxmox, work.node, work.vmid))


def _state(work: Work) -> tuple[Package, dict[str, Any]]:
    config = vms.config(work.proxmox, work.node, work.vmid)
    unlocked(config)
    return Package.from_json(work.operation.data["package"]), config


def _limits(package: Package, disk: str) -> dict[str, float | None]:
    return {name: getattr(package, f"{disk}_{name}") for name in ("mbps_rd", "mbps_wr", "iops_rd", "iops_wr")}


STEPS: tuple[Step, ...] = (
    check, power_off, restore_disks, set_cpu_and_memory, grow_system_disk, limit_system_disk, make_additional_disk,
    grow_additional_disk, limit_additional_disk, set_network, power_on,
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
    "power_on": N_("Starting the virtual machine"),
}
