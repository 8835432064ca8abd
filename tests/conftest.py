"""Fixtures for everyone. A test asks for the smallest thing it needs:

- `sqlite_url`: a SQLite file of its own. `database_url`: the same, unless the test carries
  `@pytest.mark.databases` (or asks for `any_database_url`): then it runs on SQLite, PostgreSQL and MariaDB.
- `redis_url`: an embedded Valkey, unless the test carries `@pytest.mark.redises` (or asks for `any_redis_url`):
  then it runs on the real Redis as well.
- `world`: a host application that mounts us, with Alice's service "1" on VM 100. Folders have worlds of their own.
- `mailbox`: a list of the mails that arrived at its real SMTP server (`mailbox.url`).

`make quick` leaves out tests marked `slow` or `flow` (many requests or operations in a row: more than 0.4 s of CPU).
Those with a browser or a running demo, and those on another server than SQLite and the embedded Valkey, are `slow` by
themselves.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from redis import Redis
from support import databases, services
from support import world as worlds

from puq_backups.simulator import Simulator

# The demo is imported from the checkout; at the end of the path, so that an installed package goes first.
sys.path.append(str(services.ROOT))


# A busy machine takes its time for an example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    # Settings of whoever runs the tests would go before those of a test.
    for name in settings_in_environment():
        del os.environ[name]
    config.addinivalue_line("markers", "slow: killed processes, browsers, other servers; left out by make quick")
    config.addinivalue_line("markers", "flow: many requests or operations in a row; left out by make quick")
    config.addinivalue_line("markers", "databases: run on SQLite, PostgreSQL and MariaDB")
    config.addinivalue_line("markers", "redises: run on the embedded Valkey and the real Redis")
    config.addinivalue_line(
        "markers", "console_errors(words, …): the browser's console may show errors with these words"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, mark, kinds in (
        ("database_url", "databases", databases.DATABASES),
        ("redis_url", "redises", services.REDISES),
    ):
        asked = f"any_{fixture}" in metafunc.fixturenames or metafunc.definition.get_closest_marker(mark)
        if asked and fixture in metafunc.fixturenames:
            first, *others = kinds
            slow = (pytest.param(kind, marks=pytest.mark.slow) for kind in others)
            metafunc.parametrize(fixture, [first, *slow], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"browser", "chromium", "demo"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    # Long files first: one that begins last is waited for by all other processes.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    kind = getattr(request, "param", "sqlite")
    if reason := databases.why_no_database(kind):
        pytest.skip(reason)
    with databases.scratch_database(kind, tmp_path) as url:
        yield url


@pytest.fixture
def any_database_url(database_url: str) -> str:
    return database_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return databases.sqlite_file(tmp_path)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    with services.valkey() as url:
        yield url


@pytest.fixture(scope="session")
def real_redis_url() -> Iterator[str]:
    if reason := services.why_no_redis():
        pytest.skip(reason)
    with services.redis_number() as url:
        yield url


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    kind = getattr(request, "param", "valkey")
    url = request.getfixturevalue("real_redis_url" if kind == "redis" else "valkey_url")
    with Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def any_redis_url(redis_url: str) -> str:
    return redis_url


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice's service "1" on VM 100."""
    with worlds.registered(proxmox, database_url, redis_url) as found:
        yield found


@pytest.fixture
def mailbox() -> Iterator[services.Mailbox]:
    with services.mail_sink() as box:
        yield box


def settings_in_environment() -> list[str]:
    return [name for name in os.environ if name.startswith("PUQ_BACKUPS_")]


@pytest.fixture(autouse=True)
def no_settings_left_behind() -> None:
    """A setting that a test leaves in the environment changes what the tests after it in the same process show."""
    assert settings_in_environment() == []


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test talks to anything but 127.0.0.1 (names other than localhost are not even looked up)."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {address}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly what this run could not test, and why."""
    skipped = Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")
    )
    lines = [f"{what}: {why}" for what, why in sorted(services.left_out.items())]
    lines += [f"{count} skipped: {why}" for why, count in skipped.items() if why not in services.left_out.values()]
    if lines:
        terminalreporter.section("LEFT OUT", sep="!", red=True, bold=True)
        for line in lines:
            terminalreporter.line(line, red=True)
