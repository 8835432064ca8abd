"""How much is tried: a part by default, everything with THOROUGH=1 in the environment (`make thorough`)."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("THOROUGH"))


def examples(full: int) -> int:
    """The number of examples of a property test: `full`, or a twentieth of it but at least 100."""
    return full if THOROUGH else min(full, max(100, full // 20))


def stride(step: int) -> int:
    """How far apart the boundaries are at which a process is killed: `step`, or each one."""
    return 1 if THOROUGH else step
