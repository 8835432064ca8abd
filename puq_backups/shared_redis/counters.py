"""Counters of all processes together, kept in Redis: calls to Proxmox by outcome and time, mails by outcome.

Web, worker and clock are processes of their own, on several machines even, so a counter in memory would show one
process only. They begin at 0 again when Redis is emptied, as Prometheus expects of counters.
"""

from __future__ import annotations

from typing import Any

from redis import Redis

from .best_effort import BestEffortRedis

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper limits in seconds of the classes by which calls are counted; longer ones are counted as `inf`."""
METHODS = ("GET", "POST", "PUT", "DELETE")
CALL_OUTCOMES = ("ok", "refused", "denied", "unreachable", "no_answer")
"""`refused`: an answer with an error; `denied`: token or privilege; `unreachable`: nothing was sent, or the node is
offline; `no_answer`: the answer never came, or was not Proxmox's."""
MAIL_OUTCOMES = ("sent", "waiting", "failed", "aborted")
"""State of a mail after an attempt to send it."""


class Counters:
    """Counts in one hash in Redis, under `prefix`. No method raises."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._key = f"{prefix}:counters"
        self._redis = BestEffortRedis(redis_url, "calls and mails are not counted meanwhile")

    def count_call(self, method: str, outcome: str, seconds: float) -> None:
        """Count a call to Proxmox: one of METHODS, one of CALL_OUTCOMES, and how long it took."""
        limit = next((limit for limit in BUCKETS if seconds <= limit), "inf")
        kind = f"call {method} {outcome}"
        self._count(f"{kind} {limit}", (f"{kind} seconds", seconds))

    def count_mail(self, outcome: str) -> None:
        """Count an attempt to send a mail: one of MAIL_OUTCOMES."""
        self._count(f"mail {outcome}")

    def _count(self, name: str, *sums: tuple[str, float]) -> None:
        def write(redis: Redis) -> None:
            with redis.pipeline(transaction=False) as pipeline:
                pipeline.hincrby(self._key, name, 1)
                for field, value in sums:
                    pipeline.hincrbyfloat(self._key, field, value)
                pipeline.execute()

        self._redis.ask(write)

    def read(self) -> dict[str, float] | None:
        """Return all counters by name, as `count_call` and `count_mail` name them; None without Redis."""
        found: dict[Any, Any] | None = self._redis.ask(lambda redis: redis.hgetall(self._key))
        if found is None:
            return None
        return {_text(name): number for name, value in found.items() if (number := _number(value)) is not None}


def _text(name: Any) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except ValueError:
        # Somebody else wrote into our hash.
        return None
