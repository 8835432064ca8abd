"""Clock and worker that are started before the database, or outlive it: they wait, and say so in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from support import world as worlds
from support.services import ROOT
from support.waiting import PATIENCE, wait_until

from puq_backups.clock.outage import PAUSES, Outage, describe
from puq_backups.models import Chore
from puq_backups.simulator import Simulator


@contextmanager
def process(words: list[str], database_url: str, redis_url: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {
        **os.environ, "SQLALCHEMY_DATABASE_URI": database_url, "PUQ_BACKUPS_REDIS_URL": redis_url,
        "PUQ_BACKUPS_KEYS": worlds.KEY, "PYTHONPATH": str(ROOT / "tests"),
    }  # fmt: skip
    with output.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "support.flask_app:app", "backups", *words], env=environ,
            cwd=ROOT / "tests", stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(PATIENCE)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "beat"), [("clock", "tick"), ("worker", "worker")])
def test_process_waits_for_its_database_and_goes_on(
    proxmox: Simulator, redis_url: str, tmp_path: Path, name: str, beat: str
) -> None:
    folder, output = tmp_path / "later", tmp_path / "output"
    url = f"sqlite:///{folder / 'host.sqlite'}"

    with process([name, *(["--every", "1"] if name == "clock" else [])], url, redis_url, output) as started:
        waits = f"the {name} waits: The database at SQLALCHEMY_DATABASE_URI does not do its work: unable to open"
        wait_until(lambda: output.read_text().count(waits) >= 2, output.read_text)
        folder.mkdir()
        untold = f"the {name} waits: The tables of puq-backups are not up to date: run `flask backups db upgrade`"
        wait_until(lambda: untold in output.read_text(), output.read_text)
        world = worlds.make(proxmox, url, redis_url)

        def beats() -> bool:
            with world.context.database.open() as session:
                return session.scalar(select(Chore.last_run_at).where(Chore.name == beat)) is not None

        wait_until(beats, output.read_text)
        wait_until(lambda: f"the {name} goes on" in output.read_text(), output.read_text)

    assert started.returncode == 0, "told to end, not killed"
    with world.context.database.open() as session:
        assert session.scalars(select(Chore.lease_owner).where(Chore.name == "clock")).all() in ([], [None])
    lines = output.read_text().splitlines()
    assert [line for line in lines if line.startswith("Traceback")] == []
    assert "again in 1 s" in lines[0]


def test_redis_that_does_not_answer_is_named_by_its_setting() -> None:
    with pytest.raises(RedisError) as caught:
        Redis.from_url("redis://127.0.0.1:1/0").ping()

    assert describe(caught.value).startswith("Redis at PUQ_BACKUPS_REDIS_URL cannot be used: Error 111 connecting")


def test_pauses_grow_and_begin_anew_after_a_success(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("the clock")
    pauses = [outage.failed(ValueError("a\nb")) for _ in range(8)]
    outage.over()

    assert pauses == [*PAUSES, PAUSES[-1], PAUSES[-1]]
    assert caplog.messages[0] == "the clock waits: ValueError: a b; again in 1 s"
    assert caplog.messages[-1] == "the clock goes on after 8 failures"
    assert outage.failed(ValueError()) == PAUSES[0]
