"""Steps that apply the package to the VM. Each changes only what differs; None leaves a value, 0 removes it.

They read the operation's `data["package"]` and `data["before"]`, the configuration at the start of the operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...i18n.translator import N_
from ...pve import vms
from ...rules import vm_options
from ...rules.package import Package
from ..step import Outcome, StepContext
from . import disks
from .common import own_config
from .keep_settings import set_or_refused
from .refused import is_skipped, skip

NOT_SET = N_("Proxmox refuses a value of the package, so it was not set: {proxmox}")


def restore_options(package: Package, before: dict[str, Any]) -> dict[str, Any]:
    """CPU, memory and network as options of the restore call, so that the VM never has the backup's values.

    The steps after the restore set what is not known before it (the backup's balloon value).
    """
    found: dict[str, Any] = _cores(package, before)
    if package.memory:
        found["memory"] = package.memory
        if before.get("balloon") is not None:
            found["balloon"] = min(int(before["balloon"]), package.memory)
    if before.get("net0"):
        found["net0"] = _network(package, vms.parse_net(str(before["net0"]))).format()
    return found


def package_options(package: Package) -> set[str]:
    """The options of the restore call that hold values of the package."""
    found = {"cores", "sockets"} if package.cores else set()
    found |= {"memory", "balloon"} if package.memory else set()
    network = package.bridge or package.vlan is not None or package.rate is not None or package.mac
    return found | ({"net0"} if network else set())


def _cores(package: Package, config: dict[str, Any]) -> dict[str, Any]:
    """Cores and sockets for the package's number of CPUs. Sockets stay if they hold that number."""
    if not package.cores:
        return {}
    if package.cores == vm_options.cpu_count(config):
        return {key: int(config[key]) for key in ("cores", "sockets") if config.get(key)}
    return {"cores": package.cores, "sockets": 1}


def set_cpu_and_memory(step: StepContext) -> Outcome:
    """Set CPU and RAM if different from the restored values.

    `vcpus` of the backup is dropped: fewer than the cores were not bought, and QEMU does not start with more.
    """
    package, config = _package_and_config(step)
    changes: dict[str, Any] = {}
    if package.cores and package.cores != vm_options.cpu_count(config):
        changes |= {"cores": package.cores, "sockets": 1}
    dropped = ["vcpus"] if package.cores and int(config.get("vcpus") or package.cores) != package.cores else []
    if package.memory and package.memory != vms.memory_mib(config):
        changes["memory"] = package.memory
    memory = package.memory or vms.memory_mib(config)
    if int(config.get("balloon") or 0) > memory:
        # Proxmox refuses a balloon above the memory, so both go in one call.
        changes["balloon"] = memory
    return _apply(step, config, changes, "CPU and memory", dropped)


def grow_system_disk(step: StepContext) -> Outcome:
    """Resize the system disk if different; it is never made smaller."""
    package, config = _package_and_config(step)
    return disks.grow(step, config, vms.boot_disk(config), package.system_disk)


def limit_system_disk(step: StepContext) -> Outcome:
    """Re-apply the system disk's bandwidth limits."""
    package, config = _package_and_config(step)
    return disks.set_limits(step, config, vms.boot_disk(config), _limits(package, "system"))


def make_additional_disk(step: StepContext) -> Outcome:
    """Re-attach the disks that the backup lacked, or add the additional disk if the VM has none."""
    package, config = _package_and_config(step)
    return disks.attach_or_add(step, config, package)


def grow_additional_disk(step: StepContext) -> Outcome:
    """Resize the additional disk if different; it is never made smaller."""
    package, config = _package_and_config(step)
    return disks.grow(step, config, disks.additional_slot(config), package.additional_disk)


def limit_additional_disk(step: StepContext) -> Outcome:
    """Re-apply the additional disk's bandwidth limits."""
    package, config = _package_and_config(step)
    return disks.set_limits(step, config, disks.additional_slot(config), _limits(package, "additional"))


def set_network(step: StepContext) -> Outcome:
    """Set bridge, VLAN, bandwidth and MAC. What the package does not set stays as it was before the restore."""
    package, config = _package_and_config(step)
    found, before = str(config.get("net0") or ""), str(step.operation.data["before"].get("net0") or "")
    wanted = _network(package, vms.parse_net(before or found or "virtio"))
    same = bool(found) and same_net(wanted, vms.parse_net(found))
    changes = {} if same or not wanted.options.get("bridge") else {"net0": wanted.format()}
    return _apply(step, config, changes, "network")


def _apply(
    step: StepContext, config: dict[str, Any], changes: dict[str, Any], what: str, dropped: Sequence[str] = ()
) -> Outcome:
    """Set values of the package. After a failed restore a refused value is told, because the VM is wanted back."""
    retry = step.operation.kind == "restore" and step.service.restore_failed
    if not retry or (step.task_result is not None and step.task_result.ok):
        return disks.set_once(step, config, changes, what, dropped)
    if is_skipped(step, what):
        return None
    return set_or_refused(step, config, changes, what, partial(_leave, what), dropped)


def _leave(what: str, step: StepContext, reason: object) -> None:
    skip(step, what, NOT_SET, reason)


def _network(package: Package, net: vms.Net) -> vms.Net:
    """The network card `net` with the package's bridge, VLAN, rate and MAC."""
    options = dict(net.options)
    if package.bridge:
        options["bridge"] = package.bridge
    for name, value in (("tag", package.vlan), ("rate", package.rate)):
        if value:
            options[name] = disks.format_number(value)
        elif value is not None:
            options.pop(name, None)
    return vms.Net(model=net.model, mac=package.mac or net.mac, options=options)


def same_net(one: vms.Net, other: vms.Net) -> bool:
    """Whether two network cards are equal, comparing MACs case-insensitively and numbers by value."""

    def facts(net: vms.Net) -> tuple[Any, ...]:
        options = {name: disks.format_number(value) for name, value in net.options.items()}
        return net.model, (net.mac or "").upper(), options

    return facts(one) == facts(other)


def _package_and_config(step: StepContext) -> tuple[Package, dict[str, Any]]:
    return Package.from_json(step.operation.data["package"]), own_config(step)


def _limits(package: Package, disk: str) -> dict[str, float | None]:
    return {name: getattr(package, f"{disk}_{name}") for name in ("mbps_rd", "mbps_wr", "iops_rd", "iops_wr")}
