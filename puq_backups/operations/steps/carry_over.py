"""Copies network card, SSH keys, CPU and memory of the old VM to a reinstalled one."""

from __future__ import annotations

import re
from typing import Any

from ...errors import Message, ProxmoxRefused
from ...pve import vms
from ...rules import vm_options
from ...rules.package import Package
from ..step import GiveUp, Outcome, StepContext
from . import disks
from .common import own_config
from .disks import GONE
from .keep_settings import set_or_refused
from .refused import KEYS_REFUSED, is_skipped, skip

KEYS = "sshkeys"

DROPPED = re.compile(r"cores|sockets|vcpus|cpulimit|cpuunits|memory|balloon|shares")
"""CPU and memory options of the template that are dropped if the old VM did not set them."""
CARRIED_OVER = ("cpu", "memory", "cloud_init")
"""Groups of `rules.vm_options` that are set first, together with the network card; the others are put back later."""
FROM_TEMPLATE = re.compile(
    r"bios|machine|scsihw|ostype|smbios1|vga|rng0|acpi|kvm|serial\d+|boot|bootdisk|arch|audio0"
)
"""Options that belong to the installed system and come from the template."""


def carry_over(step: StepContext) -> Outcome:
    """Set network card and MAC, cloud-init user and keys, CPU and memory of the old VM."""
    before = step.operation.data["before"]
    config = own_config(step)
    _warn_about_losses(step, before)
    carried_over = {key for group in CARRIED_OVER for key in vm_options.group_options(before, group)} | {"net0"}
    changes = {key: value for key, value in before.items() if key in carried_over and config.get(key) != value}
    dropped = [key for key in config if DROPPED.fullmatch(key) and key not in before]
    if is_skipped(step, KEYS):
        changes.pop(KEYS, None)
    if disks.succeeded(step):
        return None
    return set_or_refused(step, config, changes, "card, keys and size", _leave_keys, dropped)


def _leave_keys(step: StepContext, reason: object) -> None:
    """Go on without keys that this Proxmox refuses: put_back_settings warns of them. Raise any other `reason`."""
    if KEYS_REFUSED in str(reason) and not is_skipped(step, KEYS):
        skip(step, KEYS)
    elif isinstance(reason, ProxmoxRefused):
        raise reason
    else:
        raise GiveUp("{proxmox}", proxmox=reason)


def _warn_about_losses(step: StepContext, before: dict[str, Any]) -> None:
    """Add a warning for everything that cannot be carried over."""
    if before.get("cipassword"):
        step.operation.add_warning(
            Message("The password that was set at the installation cannot be carried over. Please set a new one.")
        )
    if others := _other_disks(step, before):
        step.operation.add_warning(Message(GONE, slots=", ".join(others)))
    left = [key for key in vm_options.from_backup(before, {}) if not FROM_TEMPLATE.fullmatch(key)]
    if left:
        step.operation.add_warning(
            Message("These options of the server were not carried over: {options}.", options=", ".join(left))
        )


def _other_disks(step: StepContext, before: dict[str, Any]) -> list[str]:
    """Disks of the old VM that come neither from the template nor from the package."""
    package = Package.from_json(step.operation.data["package"])
    named = {vms.boot_disk(before), disks.additional_slot(before) if package.additional_disk else None}
    return sorted(set(vms.disks(before)) - named)


def keep_system_disk(step: StepContext) -> Outcome:
    """Set the system disk's former size and limits. The steps after this one apply those of the package."""
    config = own_config(step)
    former = _system_disk(step.operation.data["before"])
    slot = vms.boot_disk(config)
    if former is None or slot is None:
        return None
    package = Package.from_json(step.operation.data["package"])
    wanted, now_it_is = _gib(former), _gib(vms.disks(config)[slot])
    if not package.system_disk and wanted > now_it_is:
        return disks.grow(step, config, slot, wanted)
    drive = vms.disks(config)[slot]
    options = {name: value for name, value in drive.options.items() if not _is_limit(name)}
    options |= {name: value for name, value in former.options.items() if _is_limit(name)}
    changes = {} if options == drive.options else {slot: vms.Drive(drive.volid, options).format()}
    return disks.set_options(step, config, changes, f"former limits of {slot}")


def _is_limit(option: str) -> bool:
    return option.startswith(("mbps", "iops"))


def _system_disk(config: dict[str, Any]) -> vms.Drive | None:
    slot = vms.boot_disk(config)
    return vms.disks(config)[slot] if slot else None


def _gib(drive: vms.Drive) -> int:
    """A disk's size in GiB, rounded up."""
    return -(-vms.size_bytes(str(drive.options.get("size") or "0")) // disks.GIB)
