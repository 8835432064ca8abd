"""Notes in Redis about which services' pages are being looked at. Best effort: without Redis nobody watches."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from ..config import Settings

log = logging.getLogger("puq_backups.jobs")
WATCHED_SECONDS = 30
"""How long a page counts as looked at since its last request; a page that is looked at asks every few seconds."""
AWAY_SECONDS = 30.0
"""After an error Redis is not asked again for this long, so that pages do not wait for it."""


class Watching:
    """Notes which services are watched. The connection is opened with the first note."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = f"{settings.queue}:watched:"
        self._redis = Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=1)
        self._away_until = 0.0

    def note(self, service_id: str) -> bool:
        """Note that somebody watches a service. Returns whether nobody did before; False without Redis."""
        before = self._ask("set", self._prefix + service_id, 1, ex=WATCHED_SECONDS, get=True, default=b"1")
        return before is None

    def watched(self, service_ids: Sequence[str]) -> set[str]:
        """The services among `service_ids` that somebody watches."""
        if not service_ids:
            return set()
        found = self._ask("mget", [self._prefix + one for one in service_ids], default=[None] * len(service_ids))
        return {one for one, note in zip(service_ids, found, strict=True) if note is not None}

    def _ask(self, command: str, *arguments: Any, default: Any, **options: Any) -> Any:
        if time.monotonic() < self._away_until:
            return default
        try:
            return getattr(self._redis, command)(*arguments, **options)
        except RedisError as error:
            log.warning("Redis does not know who watches (%s)", type(error).__name__)
            self._away_until = time.monotonic() + AWAY_SECONDS
            return default
