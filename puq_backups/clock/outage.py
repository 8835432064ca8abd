"""Failures in a row of a process that goes on by itself: one line each, with growing pauses."""

from __future__ import annotations

import logging

log = logging.getLogger("puq_backups")
PAUSES = (1, 2, 4, 8, 15, 30)
"""Seconds before the next attempt; the last one repeats."""


class Outage:
    """Counts the failures of `who` since its last success."""

    def __init__(self, who: str) -> None:
        self.who, self.failures = who, 0

    def failed(self, error: Exception) -> float:
        """Log the failure in one line. Returns the seconds to wait before the next attempt."""
        pause = PAUSES[min(self.failures, len(PAUSES) - 1)]
        self.failures += 1
        said = " ".join(str(error).split())[:200]
        log.warning("%s waits: %s: %s; again in %d s", self.who, type(error).__name__, said, pause)
        return pause

    def over(self) -> None:
        """Note a success, and log it if it ends an outage."""
        if self.failures:
            log.warning("%s goes on after %d failures", self.who, self.failures)
        self.failures = 0
