"""The simulator's clock and lock: time of day, durations of simulated work, and waiting for conditions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


class Clock:
    """One re-entrant lock that guards the whole world, and the time by which everything in it happens.

    Args:
        time_scale: Factor for the durations of simulated work; 0 means that work takes no time.


    """

    def __init__(self, time_scale: float) -> None:
        self.time_scale = time_scale
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.generation = 0

    def now(self) -> float:
        """The current time in seconds since the epoch."""
        return time.time()

    def scaled(self, seconds: float) -> float:
        """The length in seconds that simulated work of `seconds` takes here."""
        return seconds * self.time_scale

    def as_told(self, seconds: float) -> float:
        """The length of a duration that a condition or a parameter names: with time scale 0 it is not shortened."""
        return seconds * self.time_scale if self.time_scale else seconds

    def wait_for(self, ready: Callable[[], Answer], seconds: float) -> Answer:
        """Release the lock until `ready` returns something true, for at most `seconds`. Returns its last result."""
        return self.changed.wait_for(ready, timeout=seconds)

    def poke(self) -> None:
        """Wake all waiting threads, so that each evaluates its condition again."""
        self.changed.notify_all()
