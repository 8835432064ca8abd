"""Notes in Redis about which nodes have a poll in the queue, so that no second one is put there."""

from __future__ import annotations

from .best_effort import BestEffortRedis

PENDING_SECONDS = 30
"""How long a poll counts as pending that nobody begins: a job that was lost is enqueued again after this time."""


class PendingPolls:
    """Notes the polls that were enqueued and not begun, under `prefix`."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._prefix = f"{prefix}:poll:"
        self._redis = BestEffortRedis(redis_url, "a node may be polled twice")

    def note(self, server_id: str, node: str) -> bool:
        """Note that a poll of a node is enqueued. Returns whether none was pending; True without Redis."""
        name = self._name(server_id, node)
        return bool(self._redis.ask(lambda redis: redis.set(name, 1, nx=True, ex=PENDING_SECONDS), default=True))

    def begun(self, server_id: str, node: str) -> None:
        """Note that the poll of a node begins: the next one may be enqueued."""
        name = self._name(server_id, node)
        self._redis.ask(lambda redis: redis.delete(name))

    def _name(self, server_id: str, node: str) -> str:
        return f"{self._prefix}{server_id}:{node}"
