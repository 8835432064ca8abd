"""The files in deploy/: units, container files and gunicorn's settings are valid, and name what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from cryptography.fernet import Fernet
from support import services
from support import world as worlds
from support.services import ROOT
from support.waiting import PATIENCE, wait_until

from puq_backups.cli import backups
from puq_backups.config import PREFIX, Settings
from puq_backups.simulator import Simulator

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
BIN = Path(sys.executable).parent
SETTINGS = {PREFIX + setting.name.upper() for setting in fields(Settings)}
INSTRUCTIONS = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "EXPOSE", "CMD"}


def check_command(words: list[str]) -> None:
    """A command that a file names exists, down to the subcommand of `flask backups`."""
    assert (BIN / Path(words[0]).name).exists() or shutil.which(words[0]), words
    if "backups" in words:
        group: click.Command | None = backups
        for word in words[words.index("backups") + 1 :]:
            assert isinstance(group, click.Group)
            group = group.get_command(click.Context(group), word)
            assert group is not None, words
    if "--config" in words:
        assert (DEPLOY / Path(words[words.index("--config") + 1]).name).exists(), words


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_is_valid(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    unit.read_string(text)
    check_command(unit["Service"]["ExecStart"].split())
    assert int(unit["Service"]["TimeoutStopSec"]) > Settings().read_timeout.total_seconds()
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        services.left_out["systemd"] = "systemd-analyze is not there, so units were not verified"
        pytest.skip(services.left_out["systemd"])
    # As on a machine where the application is installed: the same unit with this environment and a user that exists.
    here = text.replace("/srv/billing/.venv/bin", str(BIN)).replace("/srv/billing", "/").replace("=billing", "=root")
    name = path.name.replace("@", "@1")
    (tmp_path / name).write_text(here)
    ran = subprocess.run(
        [analyze, "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    ours = [line for line in (ran.stdout + ran.stderr).splitlines() if "backups" in line]
    assert (ran.returncode, ours) == (0, [])


def test_all_processes_have_a_unit() -> None:
    commands = {re.search(r"backups (\w+)$|bin/(gunicorn)", path.read_text(), re.MULTILINE)[0] for path in UNITS}  # type: ignore[index]  # each has

    assert commands == {"bin/gunicorn", "backups worker", "backups clock"}


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (DEPLOY / "container" / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_containerfile_ends_as_a_user_with_a_command_that_exists() -> None:
    found = instructions()
    names = [name for name, _ in found]

    assert set(names) <= INSTRUCTIONS
    assert names[0] == "FROM"
    assert (names[-1], names.count("CMD")) == ("CMD", 1)
    assert re.fullmatch(r"docker\.io/library/python:3\.1[1-9]-slim", dict(found)["FROM"])
    assert [given for name, given in found if name == "USER"] == ["billing"]
    assert names.index("USER") < names.index("CMD")
    check_command(json.loads(dict(found)["CMD"]))


def test_image_holds_no_secrets() -> None:
    """`COPY . ./` would take the file that compose reads them from."""
    left_out = (DEPLOY / "container" / ".dockerignore").read_text().splitlines()

    assert ("COPY", "--chown=billing:billing . ./") in instructions()
    assert ".env" in left_out


def test_commands_of_the_example_make_usable_secrets() -> None:
    text = (DEPLOY / "container" / "env.example").read_text()
    made = [
        subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()
        for command in re.findall(r"^# (openssl [^\n,:]+)", text, re.MULTILINE)
    ]

    assert [len(one) for one in made] == [64, 44]
    assert Fernet(made[1]).encrypt(b"x")


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())


def test_compose_file_holds_all_parts(compose: Any) -> None:
    parts = compose["services"]

    assert set(parts) == {"migrate", "web", "worker", "clock", "postgresql", "valkey"}
    for name, part in parts.items():
        assert "image" in part
        assert set(part.get("depends_on", {})) <= set(parts)
        for of, how in part.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in parts[of], (name, of)
        if name in {"migrate", "worker", "clock"}:
            check_command(part["command"])
        for volume in part.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"]
        for port in part.get("ports", []):
            assert port.startswith("127.0.0.1:"), "not open to the world"


def test_compose_file_sets_what_exists(compose: Any) -> None:
    text = (DEPLOY / "container" / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    example = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "container" / "env.example").read_text(), re.MULTILINE))

    environment = compose["services"]["worker"]["environment"]
    assert {name for name in environment if name.startswith(PREFIX)} <= SETTINGS
    assert asked == set(example)
    for name in re.findall(r"\$\{(\w+):\?\}", text):
        assert example[name] == "", f"{name} must be chosen"


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    yield found
    found.context.database.engine.dispose()


@pytest.mark.slow
def test_gunicorn_serves_with_these_settings(world: worlds.World, tmp_path: Path) -> None:
    names = ("SQLALCHEMY_DATABASE_URI", "PUQ_BACKUPS_REDIS_URL")
    environ = {**os.environ, **{name: str(world.app.config[name]) for name in names}}
    environ |= {"PYTHONPATH": str(ROOT / "tests"), "PUQ_BACKUPS_KEYS": worlds.KEY}
    address = tmp_path / "address"
    port = "server.LISTENERS[0].sock.getsockname()[1]"
    report = f"def when_ready(server):\n    open({str(address)!r}, 'w').write(str({port}))\n"
    config = tmp_path / "gunicorn.py"
    config.write_text((DEPLOY / "gunicorn.py").read_text().replace("127.0.0.1:8000", "127.0.0.1:0") + report)
    words = [str(BIN / "gunicorn"), "--config", str(config), "support.flask_app:app"]
    process = services.start_tied(words, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        port = wait_until(lambda: address.exists() and address.read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/backups/healthz", timeout=PATIENCE) as answer:
            assert json.load(answer)["status"] == "ok"
    finally:
        process.terminate()
        said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
