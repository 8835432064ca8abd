"""What is enqueued: while Redis is away, it is asked with growing pauses; a sync is enqueued once."""

from __future__ import annotations

import logging

import pytest
from redis import Redis

from puq_backups import jobs
from puq_backups.config import Settings


def test_queue_that_is_away_is_asked_rarely_and_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    enqueuer = jobs.Enqueuer(Settings(redis_url="redis://127.0.0.1:9/0"))
    with caplog.at_level(logging.WARNING, "puq_backups"):
        for number in range(200):
            enqueuer.enqueue([f"operation {number}"])
            enqueuer.enqueue_polls([("server", "node")])

    lines = [record.getMessage() for record in caplog.records]
    assert 1 <= len(lines) <= 3
    assert lines[0].startswith("the queue waits: Redis at PUQ_BACKUPS_REDIS_URL cannot be used: ")
    assert lines[0].endswith("again in 1 s")
    assert "\n" not in lines[0]


def test_queue_that_is_back_takes_jobs_again(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    enqueuer = jobs.Enqueuer(Settings(redis_url=redis_url))
    enqueuer._outage.failed(ConnectionError("away"))
    with caplog.at_level(logging.WARNING, "puq_backups"):
        enqueuer.enqueue(["7"])

    assert jobs.queue(Settings(redis_url=redis_url)).count == 1
    assert caplog.records[-1].getMessage() == "the queue goes on after 1 failures"


def test_sync_that_no_worker_makes_is_enqueued_once(redis_url: str) -> None:
    enqueuer = jobs.Enqueuer(Settings(redis_url=redis_url))
    for _ in range(3):
        enqueuer.enqueue_syncs(["one", "two"])

    assert jobs.queue(Settings(redis_url=redis_url)).count == 2


def test_sync_that_redis_did_not_take_is_enqueued_again(redis_url: str) -> None:
    away = jobs.Enqueuer(Settings(redis_url="redis://127.0.0.1:9/0"))
    away.enqueue_syncs(["one"])
    enqueuer = jobs.Enqueuer(Settings(redis_url=redis_url))
    enqueuer.enqueue_syncs(["one"])
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    enqueuer.enqueue_syncs(["one"])

    assert jobs.queue(Settings(redis_url=redis_url)).count == 1
