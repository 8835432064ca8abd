"""Parses and formats Proxmox's property strings, such as `local-lvm:vm-100-disk-0,iothread=1,size=32G`.

Setting a key replaces its whole string, so a change of one option must include all the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True)
class Drive:
    """A drive: its volume and its options in Proxmox's order."""

    volid: str
    options: dict[str, str] = field(default_factory=dict)

    def format(self) -> str:
        """The property string."""
        return ",".join([self.volid, *(f"{name}={value}" for name, value in self.options.items())])


@dataclass(frozen=True)
class Net:
    """A network card. Without a MAC, Proxmox generates a new one."""

    model: str
    mac: str | None = None
    options: dict[str, str] = field(default_factory=dict)

    def format(self) -> str:
        """The property string."""
        card = f"{self.model}={self.mac}" if self.mac else self.model
        return ",".join([card, *(f"{name}={value}" for name, value in self.options.items())])


def options(text: str) -> dict[str, str]:
    """The `name=value` pairs of a property string. A part without `=` becomes a key with an empty value."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {name.strip(): value for name, _, value in pairs}


def parse_drive(text: str) -> Drive:
    """Parse a drive's property string, with or without `file=` before the volume."""
    head, _, rest = text.partition(",")
    return Drive(head.removeprefix("file="), options(rest))


def parse_net(text: str) -> Net:
    """Parse a network card's property string, short (`virtio=MAC`) or long (`model=virtio,macaddr=MAC`)."""
    found = options(text)
    if "model" in found:
        return Net(found.pop("model"), found.pop("macaddr", None) or None, found)
    model = next(iter(found), "")
    mac = found.pop(model, "")
    return Net(model, mac or found.pop("macaddr", None) or None, found)


def size_bytes(text: str) -> int:
    """Convert a size such as "32G", "0.5T" or "512" to bytes; raises ValueError for anything else."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    return int(Fraction(match.group(1)) * UNITS[match.group(2)])


def size_text(size: int) -> str:
    """Format bytes as Proxmox does, in the largest exact unit: "32G" or "33792M"."""
    unit = next(unit for unit in ("T", "G", "M", "K", "") if size % UNITS[unit] == 0)
    return f"{size // UNITS[unit]}{unit}" if size else "0"
