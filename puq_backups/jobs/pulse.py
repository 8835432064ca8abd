"""Whether the main loop of a worker goes on. Another thread stores heartbeats, but none for a loop that hangs."""

from __future__ import annotations

import time

STILL_AFTER = 55.0
"""Seconds without a round of the loop, or within one job, after which no heartbeat is stored. With the age at which
heartbeats are in error that is five minutes at most."""
WORKER_TTL = 45
"""RQ's setting: each round of the loop waits for a job for 15 seconds less than this."""


class Pulse:
    """When the loop was last seen to go on, by this process's clock."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        """Note that the loop goes on."""
        self._at = time.monotonic()

    def is_recent(self) -> bool:
        """Return whether the loop went on within STILL_AFTER."""
        return time.monotonic() - self._at < STILL_AFTER
