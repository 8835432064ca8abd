"""Commands to Redis whose answer the work can do without."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger("puq_backups.shared_redis")
TIMEOUT = 0.2
"""Seconds for Redis. One that does not answer must not hold up the work."""
PAUSE = 30.0
"""Seconds during which a Redis that failed is not asked again."""


class BestEffortRedis:
    """A connection, opened with the first command. After an error it is left alone for PAUSE.

    `without`: what is missing meanwhile, for the log.
    """

    def __init__(self, redis_url: str, without: str) -> None:
        self._redis = Redis.from_url(redis_url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT)
        self._without = without
        self._again_at = 0.0

    def ask(self, work: Callable[[Redis], Any], default: Any = None) -> Any:
        """Return what `work` returns; `default` where Redis fails or failed a moment ago."""
        if time.monotonic() < self._again_at:
            return default
        try:
            return work(self._redis)
        except RedisError as error:
            self._again_at = time.monotonic() + PAUSE
            log.warning("Redis does not answer (%s): %s", type(error).__name__, self._without)
            return default
