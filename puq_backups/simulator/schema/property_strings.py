"""The property strings of a VM's configuration: drives, network devices, memory and the like."""

from __future__ import annotations

import re

from .parameters import properties

MODELS = (
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82551",
    "i82557b",
    "i82559er",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "virtio",
    "vmxnet3",
)
NEW_DISK = re.compile(r"(?:([^/:\s]+):)?(\d+(?:\.\d+)?)")
EXCLUDING = (("mbps", "mbps_rd"), ("mbps", "mbps_wr"), ("iops", "iops_rd"), ("iops", "iops_wr"))
REQUIRED = tuple(
    pair
    for side in ("", "_rd", "_wr")
    for pair in (
        (f"mbps{side}_max", f"mbps{side}"),
        (f"bps{side}_max_length", f"mbps{side}_max"),
        (f"iops{side}_max_length", f"iops{side}_max"),
    )
)


def parse_drive(text: str) -> dict[str, str]:
    """A drive string as its parts; what stands without a key is `file`."""
    found = properties(text, "file")
    if "volume" in found:
        found["file"] = found.pop("volume")
    return found


def print_drive(parts: dict[str, str]) -> str:
    """A drive string as Proxmox writes it: the volume, then keys in order."""
    rest = [f"{key}={parts[key]}" for key in sorted(parts) if key not in ("file", "format")]
    return ",".join([parts["file"], *rest])


def net_parts(text: str) -> dict[str, str]:
    """A network device as its parts, with `model` and `macaddr` whichever way they were written."""
    found: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals:
            found.setdefault("model", key)
        elif key in MODELS:
            found["model"], found["macaddr"] = key, value
        else:
            found[key] = value
    return found


def print_net(parts: dict[str, str]) -> str:
    """A network device as Proxmox writes it."""
    rest = [f"{key}={parts[key]}" for key in sorted(parts) if key not in ("model", "macaddr")]
    return ",".join([f"{parts['model']}={parts['macaddr']}", *rest])


def contradicts(slot: str, drive: dict[str, str]) -> bool:
    """Whether the parts of a drive string cannot be together."""
    if any(float(drive.get(one, 0)) and float(drive.get(other, 0)) for one, other in EXCLUDING):
        return True
    if any(float(drive.get(one, 0)) and not float(drive.get(other, 0)) for one, other in REQUIRED):
        return True
    snapshot = drive.get("snapshot", "0") == "1"
    return drive.get("media") == "cdrom" and (slot.startswith("virtio") or "format" in drive or snapshot)


def memory_mib(value: object) -> int:
    """The current memory of a `memory` value in MiB."""
    return int(properties(str(value), "current").get("current", 512))


def size_bytes(text: str) -> int:
    """Bytes of a size such as 32G (binary units, none is bytes)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    if not found:
        raise ValueError(f"{text} is no size")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2] or " "))


def size_text(size: int) -> str:
    """The largest unit that fits exactly, as Proxmox writes sizes."""
    for power, unit in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return str(size)
