"""Notes in Redis about which services' pages are being looked at. Best effort: without Redis nobody watches."""

from __future__ import annotations

from collections.abc import Sequence

from .best_effort import BestEffortRedis

WATCHED_SECONDS = 30
"""How long a page counts as looked at since its last request; a page that is looked at asks every few seconds."""


class Watching:
    """Notes which services are watched, under `prefix`."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._prefix = f"{prefix}:watched:"
        self._redis = BestEffortRedis(redis_url, "it is not known who looks at a page")

    def note(self, service_id: str) -> bool:
        """Note that somebody watches a service. Returns whether nobody did before; False without Redis."""
        name = self._prefix + service_id
        before = self._redis.ask(lambda redis: redis.set(name, 1, ex=WATCHED_SECONDS, get=True), b"1")
        return before is None

    def watched(self, service_ids: Sequence[str]) -> set[str]:
        """Return those of `service_ids` that somebody watches."""
        if not service_ids:
            return set()
        names = [self._prefix + one for one in service_ids]
        notes = self._redis.ask(lambda redis: redis.mget(names), [])
        return {one for one, note in zip(service_ids, notes, strict=False) if note is not None}
