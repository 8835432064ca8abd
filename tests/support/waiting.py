"""Waiting for a condition. Nothing else in the tests waits for time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 120.0
"""Seconds after which a wait has failed: many times what a machine needs that has other things to do."""

Found = TypeVar("Found")


def wait_until(look: Callable[[], Found], told: Callable[[], object] = str, *, pause: float = 0.02) -> Found:
    """What `look` returns, as soon as it is true.

    Raises AssertionError after PATIENCE seconds, with what `told` returns. `pause`: seconds between two looks.
    """
    give_up = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < give_up, f"not so after {PATIENCE:.0f} s: {told()}"
        time.sleep(pause)
    return found
