"""Settings that Proxmox refused to put back. They are recorded as warnings and do not fail the operation."""

from __future__ import annotations

from ...errors import Message
from ..step import StepContext

KEYS_REFUSED = "SSH public key validation error"
"""Said with status 500 to keys that an earlier release of Proxmox accepted, for example of type DSA."""


def is_skipped(step: StepContext, what: str) -> bool:
    """Whether this setting is skipped."""
    return what in step.operation.data.get("skipped", [])


def skip(step: StepContext, what: str, told: str = "", reason: object = "") -> None:
    """Skip a setting for the rest of the operation. `told`, with `reason` as {proxmox}, is added as a warning."""
    step.operation.store(skipped=[*step.operation.data.get("skipped", []), what])
    if told:
        step.operation.add_warning(Message(told, proxmox=reason) if reason else Message(told))
