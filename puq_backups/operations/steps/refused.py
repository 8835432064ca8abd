"""What Proxmox refuses and an operation bears: it is told, left as it is, and must not keep a restored VM off."""

from __future__ import annotations

from ...errors import Message
from ..step import StepContext


def is_skipped(step: StepContext, what: str) -> bool:
    """Whether this was given up."""
    return what in step.operation.data.get("skipped", [])


def skip(step: StepContext, what: str, told: str = "", reason: object = "") -> None:
    """Leave this as it is from here on; `told` with its `reason` becomes a warning."""
    step.operation.store(skipped=[*step.operation.data.get("skipped", []), what])
    if told:
        step.operation.add_warning(Message(told, proxmox=reason) if reason else Message(told))
