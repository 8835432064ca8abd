"""Reads a VM's configuration. Pure functions on what `vms.config` returns."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from .property_strings import Drive, options, parse_drive, parse_net

DISK = re.compile(r"(?:ide[0-3]|sata[0-5]|scsi(?:[12]?\d|30)|virtio(?:\d|1[0-5]))")
UNUSED = re.compile(r"unused\d+")
STATE = re.compile(r"(?:efidisk|tpmstate)0")
FALLBACK = ("scsi", "virtio", "sata", "ide")
"""Buses by priority if the boot order names no disk and several disks have the same number."""
UUID = "uuid:"
"""How the identity of a VM with a uuid begins."""


def identity(config: dict[str, Any]) -> str:
    """The VM's identity: "uuid:…" of its smbios1, else "mac:…" of its net0, else "". A VMID can be reused."""
    uuid = options(str(config.get("smbios1") or "")).get("uuid")
    if uuid:
        return f"{UUID}{uuid.lower()}"
    mac = parse_net(str(config.get("net0") or "")).mac
    return f"mac:{mac.upper()}" if mac else ""


def disks(config: dict[str, Any]) -> dict[str, Drive]:
    """The hard disks by slot, without CD-ROM and cloud-init drives."""
    drives = {key: parse_drive(str(value)) for key, value in config.items() if DISK.fullmatch(key)}
    return {key: drive for key, drive in drives.items() if _is_disk(drive)}


def backed_up_disks(config: dict[str, Any]) -> int:
    """The number of disks that a backup with this configuration holds: all but those with `backup=0`."""
    return sum(drive.options.get("backup") != "0" for drive in disks(config).values())


def _is_disk(drive: Drive) -> bool:
    if drive.volid in {"none", "cdrom"} or drive.options.get("media") == "cdrom":
        return False
    return not re.search(r"-cloudinit(?:\.\w+)?$|:cloudinit$", drive.volid)


def volumes(config: dict[str, Any]) -> dict[str, Drive]:
    """The hard disks, EFI disk and TPM state by slot."""
    state = {key: parse_drive(str(value)) for key, value in config.items() if STATE.fullmatch(key)}
    return {**disks(config), **state}


def unused(config: dict[str, Any]) -> dict[str, Drive]:
    """The volumes that belong to the VM but are not attached, by `unusedN`."""
    return {key: parse_drive(str(value)) for key, value in config.items() if UNUSED.fullmatch(key)}


def boot_disk(config: dict[str, Any]) -> str | None:
    """The slot of the system disk: the first in the boot order, else `bootdisk`, else the lowest number."""
    order = options(str(config.get("boot") or "")).get("order", "").split(";")
    present = disks(config)
    others = sorted(present, key=_fallback_order)
    return next((slot for slot in (*order, str(config.get("bootdisk") or ""), *others) if slot in present), None)


def _fallback_order(slot: str) -> tuple[int, int]:
    bus = slot.rstrip("0123456789")
    return int(slot.removeprefix(bus)), FALLBACK.index(bus)


def memory_mib(config: dict[str, Any]) -> int:
    """The memory in MiB; Proxmox's default is 512."""
    text = str(config.get("memory") or 512)
    return int(options(text).get("current") or text.partition(",")[0])


def parse_config(text: str) -> dict[str, Any]:
    """Parse a configuration file into a dict, without its snapshot and pending sections.

    The key "#qmdump#map" holds {slot: {"storage", "format"}}: the storages that an archive's disks were on.
    """
    config: dict[str, Any] = {}
    sources: dict[str, dict[str, str]] = {}
    comments: list[str] = []
    for line in text.splitlines():
        if line.startswith("["):
            break
        if line.startswith("#qmdump#map:"):
            slot, _, storage, kind = (line.removeprefix("#qmdump#map:").split(":") + [""] * 4)[:4]
            sources[slot] = {"storage": storage, "format": kind}
        elif line.startswith("#"):
            comments.append(unquote(line[1:]))
        elif match := re.match(r"([a-z][a-z_]*\d*):\s*(.*\S)\s*$", line):
            config[match.group(1)] = match.group(2)
    if comments and "description" not in config:
        config["description"] = "\n".join(comments)
    if sources:
        config["#qmdump#map"] = sources
    return config
