"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Message


@dataclass(frozen=True)
class Finding:
    """One result of a check. `level` is ok, warning or error; `lines` for a shell on a Proxmox node mend it."""

    level: str
    text: Message
    lines: tuple[str, ...] = ()
