"""The kinds of operation and the steps of each, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import backup, reinstall, remove, restore
from .step import Step

STEPS: Mapping[str, Sequence[Step]] = {
    "backup": backup.STEPS, "restore": restore.STEPS, "remove": remove.STEPS, "reinstall": reinstall.STEPS,
}  # fmt: skip
