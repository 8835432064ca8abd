"""UPIDs, the ids of Proxmox tasks."""

from __future__ import annotations

from dataclasses import dataclass

from . import paths


@dataclass(frozen=True)
class Upid:
    """A parsed UPID. `started_at` is in epoch seconds of the node's clock; `user` is the token id."""

    text: str
    node: str
    pid: int
    started_at: int
    type: str
    id: str
    user: str

    @classmethod
    def parse(cls, text: object) -> Upid:
        """Parse a UPID; raises ValueError for anything else."""
        match = paths.UPID.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"{text!r} is not a UPID")
        node, pid, _, started_at, kind, about, user = match.groups()
        return cls(match.group(), node, int(pid, 16), int(started_at, 16), kind, about, user)

    def __str__(self) -> str:
        return self.text
