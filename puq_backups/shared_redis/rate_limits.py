"""Rate limits of requests that cost Proxmox, mail or disk something, for each service and actor."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import MovingWindowRateLimiter
from redis import ConnectionPool

from ..errors import SettingError, TooManyRequests
from .best_effort import PAUSE, TIMEOUT

log = logging.getLogger("puq_backups.rate_limits")
ACTIONS = ("create", "restore", "preview", "keep", "note", "test_mail")


class RateLimiter:
    """Counts requests in Redis, shared by all processes; in memory while Redis fails.

    `limits`: texts such as "create 20/minute", with the actions of ACTIONS. An action without a limit is not counted.
    """

    def __init__(self, limits: Iterable[str], redis_url: str, prefix: str) -> None:
        self._items = read_limits(limits)
        pool = ConnectionPool.from_url(
            redis_url, socket_connect_timeout=TIMEOUT, socket_timeout=TIMEOUT, max_connections=None
        )
        self._shared: Storage = RedisStorage("redis://", connection_pool=pool, key_prefix=f"{prefix}:limits")
        self._memory: Storage = MemoryStorage()
        self._redis_again = 0.0

    def check(self, action: str, service_id: str, who: str) -> None:
        """Count a request of `who`, an actor's label. Raises TooManyRequests above the limit."""
        item = self._items.get(action)
        if item is None:
            return
        keys = (action, service_id, who)
        wait = self._count(item, keys)
        if wait is not None:
            raise TooManyRequests(wait)

    def _count(self, item: RateLimitItem, keys: tuple[str, ...]) -> int | None:
        """Return None if the request is within its limit, else the seconds until one is again."""
        if time.monotonic() >= self._redis_again:
            try:
                return _hit(self._shared, item, keys)
            except Exception as error:  # noqa: BLE001 - whatever Redis answers, a limit refuses nobody for it
                self._redis_again = time.monotonic() + PAUSE
                log.warning("rate limits are counted in memory: %s", type(error).__name__)
        return _hit(self._memory, item, keys)


def _hit(storage: Storage, item: RateLimitItem, keys: tuple[str, ...]) -> int | None:
    strategy = MovingWindowRateLimiter(storage)
    if strategy.hit(item, *keys):
        return None
    return max(1, math.ceil(strategy.get_window_stats(item, *keys).reset_time - time.time()))


def read_limits(texts: Iterable[str]) -> dict[str, RateLimitItem]:
    """Return the limit of each action. Raises SettingError for an unknown action or an unreadable limit."""
    found = {}
    for text in texts:
        action, _, limit = text.partition(" ")
        try:
            found[action] = parse(limit)
        except ValueError:
            action = ""
        if action not in ACTIONS:
            raise SettingError(
                'PUQ_BACKUPS_RATE_LIMITS must hold texts such as "create 20/minute", of {actions}; it has {raw}.',
                actions=", ".join(ACTIONS), raw=repr(text),
            )  # fmt: skip
    return found
