"""While Redis is away, work that is to be enqueued asks it with growing pauses and says so in one line each."""

from __future__ import annotations

import logging

import pytest

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
    assert lines[0].startswith("the queue waits: ConnectionError: ")
    assert lines[0].endswith("again in 1 s")
    assert "\n" not in lines[0]


def test_queue_that_is_back_takes_jobs_again(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    enqueuer = jobs.Enqueuer(Settings(redis_url=redis_url))
    enqueuer._outage.failed(ConnectionError("away"))
    with caplog.at_level(logging.WARNING, "puq_backups"):
        enqueuer.enqueue(["7"])

    assert jobs.queue(Settings(redis_url=redis_url)).count == 1
    assert caplog.records[-1].getMessage() == "the queue goes on after 1 failures"
