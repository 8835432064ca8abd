"""The named formats of PVE's JSON schema that a parameter's value may have to match."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

CONTENT_TYPES = ("images", "rootdir", "vztmpl", "iso", "backup", "snippets", "none", "import")
DRIVES = re.compile(r"ide[0-3]|scsi([12]?\d|30)|virtio(\d|1[0-5])|sata[0-5]|efidisk0|tpmstate0")
OTHER_BOOT_DEVICES = re.compile(r"net([12]?\d|3[01])|usb(\d|1[0-3])|hostpci(\d|1[0-5])")
LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
HOTPLUG = ("network", "disk", "cpu", "memory", "usb", "cloudinit")
MAX_POOL_LEVELS = 3


class Fault(ValueError):
    """What is wrong with a value, with the line feed that Proxmox's text ends in."""


Format = Callable[[str], None]


def split_list(text: str) -> list[str]:
    """The parts of a list as Proxmox splits it: at commas, semicolons, blanks and zero bytes."""
    return [part for part in re.split(r"[,;\s\0]+", text) if part]


def _matching(pattern: str, text: str, flags: int = 0) -> Format:
    """A format that is a regular expression; `{}` in the text stands for the value."""
    compiled = re.compile(pattern, flags)

    def check(value: str) -> None:
        if not compiled.fullmatch(value):
            raise Fault(text.format(value) + "\n")

    return check


def is_ipv4(value: str) -> bool:
    """Whether a text is an IPv4 address."""
    return re.fullmatch(r"(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}", value) is not None


def is_ipv6(value: str) -> bool:
    """Whether a text is an IPv6 address."""
    try:
        return isinstance(ipaddress.ip_address(value), ipaddress.IPv6Address)
    except ValueError:
        return False


def _is_cidr(value: str, is_address: Callable[[str], bool], longest: int) -> bool:
    address, slash, length = value.partition("/")
    return bool(slash) and length.isdigit() and 7 < int(length) <= longest and is_address(address)  # noqa: PLR2004 - the shortest prefix that Proxmox takes is 8


def is_cidr4(value: str) -> bool:
    """Whether a text is an IPv4 address with the length of its network."""
    return _is_cidr(value, is_ipv4, 32)


def is_cidr6(value: str) -> bool:
    """Whether a text is an IPv6 address with the length of its network."""
    return _is_cidr(value, is_ipv6, 128)


def _being(ready: Callable[[str], bool], text: str) -> Format:
    def check(value: str) -> None:
        if not ready(value):
            raise Fault(text.format(value) + "\n")

    return check


def _identifier(kind: str) -> Format:
    def check(value: str) -> None:
        if len(value) < 2:  # noqa: PLR2004 - as the sentence says
            raise Fault(f"{kind} ID '{value}' cannot be shorter than 2 characters\n")
        if not re.fullmatch(r"[a-z][a-z0-9\-_.]*[a-z0-9]", value, re.IGNORECASE):
            raise Fault(f"{kind} ID '{value}' contains illegal characters\n")

    return check


def volume_id(value: str) -> None:
    """A volume's id, `storage:name`."""
    if not re.fullmatch(r"([a-z][a-z0-9\-_.]*[a-z0-9]):(.+)", value, re.IGNORECASE):
        raise Fault(f"unable to parse volume ID '{value}'\n")


def _volume_id_or(pattern: str) -> Format:
    def check(value: str) -> None:
        if not re.fullmatch(pattern, value):
            volume_id(value)

    return check


def _boot_device(value: str) -> None:
    special = value.startswith(("efidisk", "tpmstate"))
    if special or not (DRIVES.fullmatch(value) or OTHER_BOOT_DEVICES.fullmatch(value)):
        raise Fault(f"invalid boot device '{value}'\n")


def _cpu_set(value: str) -> None:
    for part in value.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise Fault("unable to parse cpuset option\n")


def _hotplug(value: str) -> None:
    for feature in [] if value in ("0", "1") else split_list(value):
        if feature not in HOTPLUG:
            raise Fault(f"invalid hotplug feature '{feature}'\n")


def _startup(value: str) -> None:
    parts = [part for part in value.split(",") if part.strip()]
    good = all(re.fullmatch(r"(order=)?\d+|up=\d+|down=\d+", part) for part in parts)
    if not value or value == "0" or not good:
        raise Fault("unable to parse startup options\n")


def _pool(value: str) -> None:
    if len(value.split("/")) > MAX_POOL_LEVELS:
        raise Fault(f"pool name '{value}' nested too deeply (max levels = 3)\n")
    if not re.fullmatch(r"[A-Za-z0-9.\-_/]+", value):
        raise Fault(f"pool name '{value}' contains invalid characters\n")


def _phys_bits(value: str) -> None:
    if not re.fullmatch(r"host|[89]|[1-5]\d|6[0-4]", value):
        raise Fault("value must be an integer between 8 and 64 or 'host'\n")


def _is_address(value: str) -> bool:
    return is_ipv4(value) or is_ipv6(value) or re.fullmatch(rf"({LABEL}\.)*{LABEL}", value) is not None


FORMATS: dict[str, Format] = {
    "CIDR": _being(lambda one: is_cidr4(one) or is_cidr6(one), "value does not look like a valid CIDR network"),
    "address": _being(_is_address, "value does not look like a valid address: {}"),
    "disk-size": _matching(r"\d+(\.\d+)?([KMGT](iB)?)?", "value does not look like a valid disk size: {}"),
    "dns-name": _matching(rf"({LABEL}\.)*{LABEL}", "value does not look like a valid DNS name"),
    "email-or-username": _matching(
        r"[^\s@]+(@[^\s@]+)?", "value does not look like a valid email address or user name"
    ),
    "ipv4": _being(is_ipv4, "value does not look like a valid IPv4 address"),
    "ipv6": _being(is_ipv6, "value does not look like a valid IPv6 address"),
    "mac-addr": _matching(
        r"[a-f0-9][02468ace](:[a-f0-9]{2}){5}", "value does not look like a valid unicast MAC address", re.IGNORECASE
    ),
    "pve-bridge-id": _matching(r"[-_.\w\d]+", "invalid bridge ID '{}'", re.ASCII),
    "pve-configid": _matching(r"[a-z][a-z0-9_-]+", "invalid configuration ID '{}'", re.IGNORECASE),
    "pve-cpuset": _cpu_set,
    "pve-ha-resource-or-vm-id": _matching(r"\d+|[a-z]+:\d+", "value does not look like a valid ha resource id"),
    "pve-hotplug-features": _hotplug,
    "pve-iface": _matching(r"[a-z][a-z0-9_]{1,20}([:.]\d+)?", "invalid network interface name '{}'", re.IGNORECASE),
    "pve-ipv4-config": _being(
        lambda one: one in ("dhcp", "manual") or is_cidr4(one),
        "value does not look like a valid ipv4 network configuration",
    ),
    "pve-ipv6-config": _being(
        lambda one: one in ("auto", "dhcp", "manual") or is_cidr6(one),
        "value does not look like a valid ipv6 network configuration",
    ),
    "pve-node": _matching(LABEL, "value does not look like a valid node name"),
    "pve-phys-bits": _phys_bits,
    "pve-poolid": _pool,
    "pve-qm-bootdev": _boot_device,
    "pve-qm-bootdisk": _matching(DRIVES.pattern, "invalid boot disk '{}'"),
    "pve-startup-order": _startup,
    "pve-storage-content": _being(lambda one: one in CONTENT_TYPES, "invalid content type '{}'"),
    "pve-storage-id": _identifier("storage"),
    "pve-tag": _matching(r"[a-z0-9_][a-z0-9_\-+.]*", "invalid characters in tag", re.IGNORECASE),
    "pve-task-status-type": _matching(r"ok|error|warning|unknown", "invalid status '{}'", re.IGNORECASE),
    "pve-vmid": _matching(r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-volume-id": volume_id,
    "pve-volume-id-or-absolute-path": _volume_id_or("/.*"),
    "pve-volume-id-or-qm-path": _volume_id_or("none|cdrom|/.*"),
    "urlencoded": _matching(r"[-%a-zA-Z0-9_.!~*'()]*", "invalid urlencoded string: {}"),
}


def check_named(name: str, value: str) -> None:
    """Check a value against a named format; `-list` is a list of them. Raises Fault."""
    if name.endswith("-list") and name.removesuffix("-list") in FORMATS:
        for part in split_list(value):
            FORMATS[name.removesuffix("-list")](part)
    elif name in FORMATS:
        FORMATS[name](value)


def _prune_backups(given: dict[str, str]) -> None:
    """keep-all excludes the other options."""
    if given.get("keep-all") == "1" and any(int(value) > 0 for key, value in given.items() if key != "keep-all"):
        raise Fault("keep-all cannot be set together with other options.\n")


def _fleecing(given: dict[str, str]) -> None:
    """Fleecing needs a storage."""
    if given.get("enabled") == "1" and "storage" not in given:
        raise Fault("'storage' parameter is required when 'enabled' is set\n")


VALIDATORS: dict[str, Callable[[dict[str, str]], None]] = {
    "prune-backups": _prune_backups,
    "backup-fleecing": _fleecing,
}
"""Checks of a whole property string by the name of its format."""
