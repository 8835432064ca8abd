"""Reads the package (resources, limits, quota) from the host's params, by position and by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..config import SAFETY_COPY_CHOICES
from ..errors import BadInput

OPTIONS = (
    ("Backups", "backups"), ("Backups storage", "storage"), ("Backup mode", "mode"), ("Compression", "compression"),
    ("CPU cores", "cores"), ("RAM MiB", "memory"), ("System disk GiB", "system_disk"),
    ("System disk read MB/s", "system_mbps_rd"), ("System disk write MB/s", "system_mbps_wr"),
    ("System disk read IOPS", "system_iops_rd"), ("System disk write IOPS", "system_iops_wr"),
    ("Additional disk GiB", "additional_disk"), ("Additional disk storage", "additional_storage"),
    ("Additional disk read MB/s", "additional_mbps_rd"), ("Additional disk write MB/s", "additional_mbps_wr"),
    ("Additional disk read IOPS", "additional_iops_rd"), ("Additional disk write IOPS", "additional_iops_wr"),
    ("Bridge", "bridge"), ("VLAN tag", "vlan"), ("Network rate MB/s", "rate"), ("Template VMID", "template"),
    ('Email "Backup restored"', "email_restored"), ("Rotation", "rotation"), ("Restore storage", "restore_storage"),
)  # fmt: skip
"""The 24 product settings in their order: (title that the provider sees, field of Package)."""

CONFIGURABLE_ONLY = (("Safety copy", "safety_copy"),)
"""Configurable options without a product setting."""

CHOICES = {
    "mode": ("snapshot", "suspend", "stop"),
    "compression": ("zstd", "lzo", "gzip", "0"),
    "rotation": ("before", "after"),
    "safety_copy": SAFETY_COPY_CHOICES,
}

MINIMUM = {"memory": 16, "template": 100}
MAXIMUM = {
    "vlan": 4094, "cores": 4096, "memory": 4178944, "system_disk": 131072, "additional_disk": 131072,
    "template": 999999999,
}  # fmt: skip
"""What Proxmox takes. 0 is always allowed: it removes a limit, or leaves the VM's value."""
MOST_BACKUPS = 999_999
STORAGE_NAME = (re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,98}[A-Za-z0-9]"), "the name of a Proxmox storage")
NAME_PATTERNS = {
    "storage": STORAGE_NAME, "additional_storage": STORAGE_NAME, "restore_storage": STORAGE_NAME,
    "bridge": (re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,14}"), "the name of a bridge, such as vmbr0"),
}  # fmt: skip
"""The pattern of a name and its description in error messages."""

INTEGER, DECIMAL = re.compile(r"[0-9]{1,15}"), re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
MAC = re.compile(r"(?i)[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
"""Unicast addresses only: the lowest bit of the first byte marks a multicast address."""


@dataclass(frozen=True)
class Package:
    """None leaves the VM's value unchanged; 0 means no limit. Disks in GiB, memory in MiB, rates in MB/s."""

    backups: int | None = None
    storage: str = ""
    mode: str = "snapshot"
    compression: str = "zstd"
    cores: int | None = None
    memory: int | None = None
    system_disk: int | None = None
    system_mbps_rd: float | None = None
    system_mbps_wr: float | None = None
    system_iops_rd: int | None = None
    system_iops_wr: int | None = None
    additional_disk: int | None = None
    additional_storage: str = ""
    additional_mbps_rd: float | None = None
    additional_mbps_wr: float | None = None
    additional_iops_rd: int | None = None
    additional_iops_wr: int | None = None
    bridge: str = ""
    vlan: int | None = None
    rate: float | None = None
    template: int | None = None
    email_restored: str = ""
    rotation: str = "before"
    restore_storage: str = ""
    mac: str = ""
    safety_copy: str = ""
    """Empty: the setting `PUQ_BACKUPS_SAFETY_COPY` applies."""

    def to_json(self) -> dict[str, Any]:
        """Return the package as it is stored with a service."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Package:
        """Return a stored package; unknown options are ignored, missing ones have their default."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


def read(params: Mapping[str, Any]) -> tuple[Package, bool]:
    """The package of `params`, and whether its quota could be read.

    A configurable option (`configoptions`) overrides the product setting (`configoptionN`), 0 included. An empty or
    unreadable quota is None, for the caller to handle. Raises BadInput with the title of any other wrong option.
    """
    bought = read_mapping(params, "configoptions")
    found: dict[str, Any] = {}
    product = {title: params.get(f"configoption{position}") for position, (title, _) in enumerate(OPTIONS, 1)}
    for title, name in (*OPTIONS, *CONFIGURABLE_ONLY):
        text = _text(bought.get(title, product.get(title)))
        if name == "backups":
            found[name] = _read_quota(text)
        elif text:
            found[name] = _read_value(title, name, text)
    found["mac"] = _read_mac(str(read_mapping(params, "customfields").get("mac") or "").strip())
    return Package(**found), found["backups"] is not None


def check_quota(params: Mapping[str, Any]) -> None:
    """Raise BadInput for a quota that is given and cannot be read, such as "3 Backups" or "5.00"."""
    title = OPTIONS[0][0]
    text = _text(read_mapping(params, "configoptions").get(title, params.get("configoption1")))
    if text and _read_quota(text) is None:
        raise BadInput(
            title, "{title} must be a number from 0 to {highest}; it is {value}.",
            title=title, highest=MOST_BACKUPS, value=text,
        )  # fmt: skip


def _text(raw: Any) -> str:
    # A configurable option may have a label after a "|".
    return "" if raw is None else str(raw).split("|", maxsplit=1)[0].strip()


def read_mapping(params: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A parameter that is a mapping; empty if it is missing. Raises BadInput for any other type."""
    found = params.get(name) or {}
    if not isinstance(found, Mapping):
        raise BadInput(name, "{name} must hold names and values.", name=name)
    return found


def _read_quota(text: str) -> int | None:
    return int(text) if INTEGER.fullmatch(text) and int(text) <= MOST_BACKUPS else None


def _read_mac(text: str) -> str:
    if text and not MAC.fullmatch(text):
        raise BadInput(
            "mac", "customfields.mac must be a MAC address such as BC:24:11:00:00:01; it is {value}.", value=text
        )
    return text


def _read_value(title: str, name: str, text: str) -> Any:
    if name in CHOICES:
        if text.lower() not in CHOICES[name]:
            raise BadInput(
                title, "{title} must be one of {choices}; it is {value}.",
                title=title, choices=", ".join(CHOICES[name]), value=text,
            )  # fmt: skip
        return text.lower()
    kind = str(Package.__dataclass_fields__[name].type)
    if kind == "str":
        return _read_name(title, name, text)
    return _read_number(title, text, float if kind.startswith("float") else int, name)


def _read_name(title: str, name: str, text: str) -> str:
    form, said = NAME_PATTERNS.get(name, (None, ""))
    if form and not form.fullmatch(text):
        raise BadInput(title, "{title} must be {form}; it is {value}.", title=title, form=said, value=text)
    return text


def _read_number(title: str, text: str, kind: type[int | float], name: str) -> int | float:
    good = (DECIMAL if kind is float else INTEGER).fullmatch(text)
    lowest, highest = MINIMUM.get(name, 0), MAXIMUM.get(name)
    if good and (kind(text) == 0 or lowest <= kind(text) <= (highest or 10**9 - 1)):
        return kind(text)
    if highest is not None:
        raise BadInput(
            title, "{title} must be a number from {lowest} to {highest}; it is {value}.",
            title=title, lowest=lowest, highest=highest, value=text,
        )  # fmt: skip
    raise BadInput(title, "{title} must be a number from 0; it is {value}.", title=title, value=text)
