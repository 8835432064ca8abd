"""The property strings of a VM's configuration: drives, network devices, memory and the like."""

from __future__ import annotations

import re

from .parameters import BOOLEAN, Format, Param, Schema, property_string, split_properties

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
MAC = re.compile(r"[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}")
NEW_DISK = re.compile(r"(?:([^/:\s]+):)?(\d+(?:\.\d+)?)")
NUMBER = Param("number", minimum=0)
THROTTLES = tuple(
    f"{unit}{side}{kind}"
    for unit in ("mbps", "iops")
    for side in ("", "_rd", "_wr")
    for kind in ("", "_max", "_max_length")
)


def mac_format(value: str) -> str | None:
    """A unicast MAC address."""
    return None if MAC.fullmatch(value) else "value does not look like a valid unicast MAC address\n"


def size_format(value: str) -> str | None:
    """A disk size with its unit."""
    return None if re.fullmatch(r"\d+(\.\d+)?[KMGT]?", value) else f"value '{value}' is no disk size\n"


_THROTTLES: Schema = {
    key: Param("integer", minimum=1)
    if key.endswith("_length")
    else Param("number" if key.startswith("m") else "integer")
    for key in (*THROTTLES, "bps", "bps_rd", "bps_wr")
}
DRIVE: Schema = {
    "file": Param(optional=False),
    "media": Param(enum=("cdrom", "disk")),
    "cache": Param(enum=("none", "writethrough", "writeback", "unsafe", "directsync")),
    "format": Param(enum=("raw", "qcow", "qed", "qcow2", "vmdk", "cloop")),
    "aio": Param(enum=("native", "threads", "io_uring")),
    "discard": Param(enum=("ignore", "on")),
    "size": Param(format=size_format),
    "serial": Param(max_length=60),
    "werror": Param(enum=("enospc", "ignore", "report", "stop")),
    "rerror": Param(enum=("ignore", "report", "stop")),
    "import-from": Param(),
    **dict.fromkeys(("backup", "replicate", "snapshot", "shared", "detect_zeroes"), BOOLEAN),
    **_THROTTLES,
}
"""What every bus has; OF_BUS is what each adds."""
WWN = Param(pattern="0x[0-9a-fA-F]{16}")
OF_BUS: dict[str, Schema] = {
    "ide": {"model": Param(max_length=120), "ssd": BOOLEAN, "wwn": WWN},
    "sata": {"ssd": BOOLEAN, "wwn": WWN},
    "virtio": {"iothread": BOOLEAN, "ro": BOOLEAN},
    "scsi": {
        **dict.fromkeys(("iothread", "ro", "scsiblock", "ssd"), BOOLEAN),
        "queues": Param("integer", minimum=2),
        "product": Param(pattern=r"[A-Za-z0-9\-_\s]{,16}"),
        "vendor": Param(pattern=r"[A-Za-z0-9\-_\s]{,8}"),
        "wwn": WWN,
    },
    "efidisk": {"efitype": Param(enum=("2m", "4m")), "pre-enrolled-keys": BOOLEAN, "ms-cert": Param()},
    "tpmstate": {"version": Param(enum=("v1.2", "v2.0"))},
}
EXCLUDING = (("mbps", "mbps_rd"), ("mbps", "mbps_wr"), ("iops", "iops_rd"), ("iops", "iops_wr"))
REQUIRED = tuple((f"mbps{side}_max", f"mbps{side}") for side in ("", "_rd", "_wr")) + tuple(
    (f"iops{side}_max_length", f"iops{side}_max") for side in ("", "_rd", "_wr")
)
NET: Schema = {
    "model": Param(optional=False, enum=MODELS),
    "macaddr": Param(format=mac_format),
    "bridge": Param(pattern=r"[-_.\w\d]+"),
    "queues": Param("integer", minimum=0, maximum=64),
    "rate": NUMBER,
    "tag": Param("integer", minimum=1, maximum=4094),
    "trunks": Param(pattern=r"\d+(-\d+)?(;\d+(-\d+)?)*"),
    "firewall": BOOLEAN,
    "link_down": BOOLEAN,
    "mtu": Param("integer", minimum=1, maximum=65520),
    "host-managed": BOOLEAN,
}
MEMORY: Schema = {"current": Param("integer", optional=False, minimum=16)}
AGENT: Schema = {
    "enabled": Param("boolean", optional=False),
    "fstrim_cloned_disks": BOOLEAN,
    "freeze-fs-on-backup": BOOLEAN,
    "freeze-fs": BOOLEAN,
    "type": Param(enum=("virtio", "isa")),
}
LIVE_DRIVE_KEYS = {*THROTTLES, "backup", "replicate", "ro", "shared"}
LIVE_NET_KEYS = {"bridge", "tag", "trunks", "rate", "firewall", "link_down", "mtu", "host-managed"}


def parse_drive(text: str) -> dict[str, str]:
    """A drive string as its parts; what stands without a key is `file`."""
    found = split_properties(text, "file")
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


def drive_format(slot: str) -> Format:
    """The drive string of a slot."""
    form = property_string({**DRIVE, **OF_BUS[slot.rstrip("0123456789")]}, "file")
    return lambda value: form(re.sub(r"(^|,)volume=", r"\1file=", value))


def contradicts(slot: str, drive: dict[str, str]) -> bool:
    """Whether the parts of a drive string cannot be together."""
    if any(float(drive.get(one, 0)) and float(drive.get(other, 0)) for one, other in EXCLUDING):
        return True
    if any(float(drive.get(one, 0)) and not float(drive.get(other, 0)) for one, other in REQUIRED):
        return True
    return drive.get("media") == "cdrom" and (slot.startswith("virtio") or "format" in drive)


def net_format(value: str) -> str | None:
    """A network device."""
    return property_string(NET, "model")(",".join(f"{key}={part}" for key, part in net_parts(value).items()))


memory_format: Format = property_string(MEMORY, "current")
agent_format: Format = property_string(AGENT, "enabled")


def memory_mib(value: object) -> int:
    """The current memory of a `memory` value in MiB."""
    return int(split_properties(str(value), "current").get("current", 512))


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
