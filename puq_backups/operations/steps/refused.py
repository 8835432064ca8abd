"""What Proxmox refuses and an operation bears: it is told, left as it is, and must not keep a restored VM off."""

from __future__ import annotations

from ...errors import Message
from ..step import Work


def is_left(work: Work, what: str) -> bool:
    """Whether this was given up."""
    return what in work.operation.data.get("left", [])


def leave(work: Work, what: str, told: str = "", reason: object = "") -> None:
    """Leave this as it is from here on; `told` with its `reason` becomes a warning."""
    work.operation.store(left=[*work.operation.data.get("left", []), what])
    if told:
        work.operation.add_warning(Message(told, proxmox=reason) if reason else Message(told))
