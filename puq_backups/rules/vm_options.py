"""What becomes of each VM option at a restore or reinstallation: kept, set by the package, or lost.

`before` is the VM's configuration as it was just before. Restore and reinstallation use this one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..i18n.translator import N_
from .package import Package


@dataclass(frozen=True)
class Group:
    """Options put back in one call, because the same privilege allows them.

    refusal: the warning if Proxmox refuses them.
    sent: whether they are sent with the restore, so that the VM never lacks them.
    """

    options: re.Pattern[str]
    refusal: str
    sent: bool = True


GROUPS: dict[str, Group] = {
    "options": Group(
        re.compile(r"name|onboot|description|agent|autostart|reboot|startdate|tdf|freeze|keyboard"),
        N_("Name, description, agent and start at boot could not all be put back: {proxmox}"),
    ),
    "tags": Group(re.compile(r"tags"), N_("The tags could not be put back: {proxmox}")),
    "cpu": Group(
        re.compile(r"cores|sockets|vcpus|cpulimit|cpuunits|cpu|numa\d*|affinity"),
        N_("The CPU options could not all be put back: {proxmox}"),
    ),
    "memory": Group(
        re.compile(r"memory|balloon|shares|hugepages|keephugepages|allow-ksm"),
        N_("The memory options could not all be put back: {proxmox}"),
    ),
    "addresses": Group(
        re.compile(r"nameserver|searchdomain|ipconfig\d+"),
        N_("Addresses and name servers could not be put back: {proxmox}"),
    ),
    "cloud_init": Group(
        re.compile(r"cicustom|citype|ciupgrade|ciuser|sshkeys"),
        N_("The cloud-init user and keys could not be put back: {proxmox}"),
    ),
    "cards": Group(
        re.compile(r"net[1-9]\d*"), N_("The further network cards could not be put back: {proxmox}")
    ),
    # Proxmox wants Sys.Modify on / for it.
    "startup": Group(
        re.compile(r"startup"), N_("The start order could not be put back: {proxmox}"), sent=False
    ),
    "hardware": Group(
        re.compile(r"hotplug|localtime|tablet|watchdog"),
        N_("Hotplug, clock and tablet options could not be put back: {proxmox}"),
        sent=False,
    ),
    "boot": Group(
        re.compile(r"boot|bootdisk"), N_("The boot order could not be put back: {proxmox}"), sent=False
    ),
}  # fmt: skip
"""The options that are kept as they were just before, and the order in which they are put back."""

FROM_BACKUP = N_("These settings of the server come from the backup: {options}.")
INTERNAL = re.compile(
    r"digest|lock|meta|parent|pending|snapshot|snaptime|snapstate|vmstate|vmstatestorage|vmgenid|template|protection"
    r"|running.*|unused\d+|net0|#.*"
)
"""Options that Proxmox sets by itself, or that steps of their own handle."""
SKIPPED = re.compile(rf"{INTERNAL.pattern}|(?:ide|sata|scsi|virtio|efidisk|tpmstate)\d+|cdrom")
"""Options that are no settings: the internal ones, and the drives, which are told one by one."""


def group_options(config: Mapping[str, Any], group: str) -> dict[str, str]:
    """The options of a group in a configuration."""
    pattern = GROUPS[group].options
    return {key: str(value).strip() for key, value in config.items() if pattern.fullmatch(key)}


def set_by_package(package: Package) -> frozenset[str]:
    """The kept options that the package sets instead."""
    cores = {"cores", "sockets", "vcpus"} if package.cores else set()
    return frozenset(cores | ({"memory"} if package.memory else set()))


def kept(before: Mapping[str, Any], package: Package, group: str) -> dict[str, str]:
    """The values that the options of a group have afterwards; options not named here are dropped.

    The balloon value is limited to the package's memory, because Proxmox refuses a larger one, and `vcpus` to the
    number of cores, because QEMU does not start with more.
    """
    package_sets = set_by_package(package)
    found = {key: value for key, value in group_options(before, group).items() if key not in package_sets}
    if package.memory and int(found.get("balloon") or 0) > package.memory:
        found["balloon"] = str(package.memory)
    if "vcpus" in found:
        found["vcpus"] = str(min(int(found["vcpus"]), cpu_count(before)))
    return found


def cpu_count(config: Mapping[str, Any]) -> int:
    """The number of CPUs: cores times sockets."""
    return int(config.get("cores") or 1) * int(config.get("sockets") or 1)


def bootable(boot: Mapping[str, str], devices: Iterable[str]) -> bool:
    """Whether a boot order, as options of the group `boot`, names only devices that exist."""
    order = re.search(r"order=([^,]*)", boot.get("boot", ""))
    named = {name for name in (order.group(1).split(";") if order else []) if name}
    named |= {boot["bootdisk"]} if boot.get("bootdisk") else set()
    return named <= set(devices)


def from_backup(before: Mapping[str, Any], archived: Mapping[str, Any]) -> list[str]:
    """The options that differ and come from the backup, sorted. Most belong to the installed system."""
    names = {name for name in (*before, *archived) if not (is_kept(name) or SKIPPED.fullmatch(name))}
    # Proxmox shows no password, so that two cannot be compared.
    return sorted(name for name in names if name == "cipassword" or _text(before, name) != _text(archived, name))


def _text(config: Mapping[str, Any], name: str) -> str:
    return str(config.get(name, "")).strip()


def is_kept(name: str) -> bool:
    """Whether an option is in one of the groups."""
    return any(group.options.fullmatch(name) for group in GROUPS.values())
