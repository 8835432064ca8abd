"""Checked parts of API paths, because proxmoxer joins any text.

Each function returns a `Part` or raises BadInput. A plain string is accepted only as a fixed lower-case word.
"""

from __future__ import annotations

import re

from ..errors import BadInput

NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
STORAGE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]")
SEGMENT = re.compile(r"[A-Za-z0-9_:=-](?:[A-Za-z0-9_.:=-]*[A-Za-z0-9_:=-])?")
UPID = re.compile(
    r"UPID:([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8})"
    r":([^:\s/?#%\\]+):([^:\s/?#%\\]*):([^:\s/?#%\\]+):"
)
VMIDS = range(100, 1_000_000_000)
WORD = re.compile(r"[a-z]+")


class Part(str):
    """A checked part of a path."""

    __slots__ = ()


def node(name: str) -> Part:
    """A node's name."""
    return _part("node", name, NODE.fullmatch(name))


def vmid(number: int | str) -> Part:
    """A VMID, 100 to 999999999."""
    text = str(number)
    return _part("vmid", text, text.isascii() and text.isdigit() and int(text) in VMIDS)


def service(number: int | str) -> Part:
    """A VM's HA resource id, `vm:VMID`."""
    return Part(f"vm:{vmid(number)}")


def position(number: int) -> Part:
    """A position in a list, from 0."""
    return Part(str(int(number)))


def storage(name: str) -> Part:
    """A storage's id."""
    return _part("storage", name, STORAGE.fullmatch(name))


def volid(volume: str) -> Part:
    """A volume id `storage:path`; slashes are kept."""
    holder, _, path = volume.partition(":")
    good = STORAGE.fullmatch(holder) and all(SEGMENT.fullmatch(segment) for segment in path.split("/"))
    return _part("volid", volume, good)


def upid(text: str) -> Part:
    """A task's UPID."""
    return _part("upid", text, UPID.fullmatch(text))


def storage_of(volume: str) -> str:
    """The storage id at the head of a volid."""
    return volume.partition(":")[0]


def join(parts: tuple[str, ...]) -> str:
    """Join parts to a path without a leading slash; raises BadInput for an unchecked part."""
    for part in parts:
        if not isinstance(part, Part) and not WORD.fullmatch(part):
            raise BadInput("path", "{part} cannot be part of a path to Proxmox.", part=repr(part))
    return "/".join(parts)


def _part(field: str, text: str, good: object) -> Part:
    if not good:
        raise BadInput(field, "{value} is not a valid {kind}.", value=repr(text), kind=field)
    return Part(text)
