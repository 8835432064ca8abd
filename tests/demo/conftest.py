"""The demo's application in this process, on a simulated Proxmox with the demo's machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from support import databases

from demo import machines
from demo.app import create_app
from demo.run import STATE
from puq_backups.simulator import simulator


@pytest.fixture(scope="session")
def running() -> Iterator[simulator.Simulator]:
    with simulator.start(state=machines.proxmox_state(json.loads(STATE.read_text()))) as running:
        yield running


@pytest.fixture
def proxmox(running: simulator.Simulator) -> simulator.Simulator:
    running.reset()
    return running


@pytest.fixture(scope="session")
def variables(
    running: simulator.Simulator, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What the demo's processes find in their environment."""
    folder = tmp_path_factory.mktemp("demo")
    token, secret = running.tokens["panel"]
    return {
        "SECRET_KEY": "for tests",
        "DATABASE_URL": databases.sqlite_file(folder),
        "DEMO_ADDRESS": "http://127.0.0.1:5000",
        "DEMO_MAILS": str(folder),
        "DEMO_PROXMOX_URL": running.url,
        "DEMO_PROXMOX_FINGERPRINT": running.fingerprint,
        "DEMO_PROXMOX_CA": str(running.ca_file),
        "DEMO_PROXMOX_TOKEN": token,
        "DEMO_PROXMOX_SECRET": secret,
        "PUQ_BACKUPS_KEYS": Fernet.generate_key().decode(),
        "PUQ_BACKUPS_REDIS_URL": valkey_url,
        "PUQ_BACKUPS_POLL": "0.2s",
        "PUQ_BACKUPS_SETTLE": "2s",
    }


# One application for all: like most hosts the demo has one `backups` object, which belongs to one application.
@pytest.fixture(scope="session")
def made_app(variables: dict[str, str]) -> Flask:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        app = create_app()
        for command in (["backups", "db", "upgrade"], ["seed"]):
            ran = app.test_cli_runner().invoke(args=command)
            assert ran.exit_code == 0, ran.output
    return app


@pytest.fixture
def app(made_app: Flask, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Flask:
    """The demo's application, with its environment for as long as one test runs."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return made_app


class Visitor:
    """Somebody with a browser that does nothing by itself."""

    def __init__(self, client: FlaskClient, who: str) -> None:
        self.client = client
        self.post("/", "/sign-in", who=who)

    def get(self, path: str) -> tuple[int, str]:
        answer = self.client.get(path)
        return answer.status_code, answer.get_data(as_text=True)

    def post(self, page: str, path: str, **form: Any) -> str:
        """Send a form of `page`, and what the page after it says."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page)[1])
        assert token
        return self.client.post(path, data={**form, "csrf_token": token[1]}, follow_redirects=True).get_data(
            as_text=True
        )


@pytest.fixture
def alice(app: Flask, proxmox: simulator.Simulator) -> Visitor:
    return Visitor(app.test_client(), "1")
