"""Counters of all processes together, kept in Redis: calls to Proxmox by outcome and time, mails by outcome.

Web, worker and clock are processes of their own, on several machines even, so a counter in memory would show one
process only. They begin at 0 again when Redis is emptied, as Prometheus expects of counters.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger("puq_backups.counters")

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper limits in seconds of the classes by which calls are counted; longer ones are counted as `inf`."""
METHODS = ("GET", "POST", "PUT", "DELETE")
CALL_OUTCOMES = ("ok", "refused", "denied", "unreachable", "no_answer")
"""`refused`: an answer with an error; `denied`: token or privilege; `unreachable`: nothing was sent, or the node is
offline; `no_answer`: the answer never came, or was not Proxmox's."""
MAIL_OUTCOMES = ("sent", "waiting", "failed", "aborted")
"""State of a mail after an attempt to send it."""
TIMEOUT = 0.2
"""Seconds for Redis. One that does not answer must not hold up the work."""
PAUSE = 30.0
"""Seconds during which a Redis that failed is not asked again; what happens meanwhile is not counted."""


class Counters:
    """Counts in one hash in Redis, under `prefix`. No method raises."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._key = f"{prefix}:counters"
        self._redis = Redis.from_url(redis_url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT)
        self._again_at = 0.0

    def count_call(self, method: str, outcome: str, seconds: float) -> None:
        """Count a call to Proxmox: one of METHODS, one of CALL_OUTCOMES, and how long it took."""
        limit = next((limit for limit in BUCKETS if seconds <= limit), "inf")
        kind = f"call {method} {outcome}"
        self._count(f"{kind} {limit}", (f"{kind} seconds", seconds))

    def count_mail(self, outcome: str) -> None:
        """Count an attempt to send a mail: one of MAIL_OUTCOMES."""
        self._count(f"mail {outcome}")

    def _count(self, name: str, *sums: tuple[str, float]) -> None:
        def write() -> None:
            with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hincrby(self._key, name, 1)
                for field, value in sums:
                    pipeline.hincrbyfloat(self._key, field, value)
                pipeline.execute()

        self._try(write)

    def read(self) -> dict[str, float] | None:
        """Return all counters by name, as `count_call` and `count_mail` name them; None without Redis."""
        found: dict[Any, Any] | None = self._try(lambda: self._redis.hgetall(self._key))
        if found is None:
            return None
        return {_text(name): number for name, value in found.items() if (number := _number(value)) is not None}

    def _try(self, work: Callable[[], Any]) -> Any:
        if time.monotonic() < self._again_at:
            return None
        try:
            return work()
        except RedisError as error:
            self._again_at = time.monotonic() + PAUSE
            log.warning("Redis does not count (%s): calls and mails are not counted meanwhile", type(error).__name__)
            return None


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except ValueError:
        # Somebody else wrote into our hash.
        return None
