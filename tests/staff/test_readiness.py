"""Monitoring: `/readyz`, `status --check` and `doctor` try each part and name the one that does not work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from support import world as worlds
from support.bare_host import mount

from puq_backups.clock import chores
from puq_backups.migrations import running
from puq_backups.models import Chore, now
from puq_backups.simulator import Simulator
from puq_backups.staff.readiness import PARTS

OUTDATED = "The tables of puq-backups are not up to date: run `flask backups db upgrade`."


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, database_url, redis_url)
    found.register()
    for name in ("tick", "worker", "daily"):
        chores.record_heartbeat(found.context, name)
    yield found
    found.context.database.engine.dispose()


def ready(world: worlds.World) -> tuple[int, dict[str, str]]:
    answer = world.app.test_client().get("/backups/readyz")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.get_json()


def run(app: Any, *args: str) -> Any:
    found = app.test_cli_runner().invoke(args=["backups", *args])
    assert not found.exception or isinstance(found.exception, SystemExit), found.exception
    return found


def break_setting(world: worlds.World, **settings: Any) -> None:
    object.__setattr__(world.context, "settings", replace(world.context.settings, **settings))


@pytest.mark.databases
def test_everything_works(world: worlds.World) -> None:
    status = run(world.app, "status", "--check")

    assert ready(world) == (200, dict.fromkeys(PARTS, "ok"))
    assert (status.exit_code, json.loads(status.output)["parts"]) == (0, dict.fromkeys(PARTS, "ok"))


@pytest.mark.parametrize("name", ["tick", "worker"])
def test_process_that_stands_still_is_seen_within_five_minutes(world: worlds.World, name: str) -> None:
    with world.context.database.begin() as session:
        late = now() - timedelta(minutes=4, seconds=50)
        session.execute(update(Chore).where(Chore.name == name).values(last_run_at=late))

    part = {"tick": "clock", "worker": "worker"}[name]
    assert ready(world) == (503, dict.fromkeys(PARTS, "ok") | {part: "error"})
    checked = run(world.app, "status", "--check")
    assert checked.exit_code == 1
    assert f"{part}: " in checked.stderr
    assert run(world.app, "status").exit_code == 0
    assert world.app.test_client().get("/backups/healthz").status_code == 200


def test_missing_redis_is_named(world: worlds.World) -> None:
    break_setting(world, redis_url="redis://127.0.0.1:1/0")

    assert ready(world) == (503, dict.fromkeys(PARTS, "ok") | {"redis": "error"})
    assert "error: redis: Redis cannot be used: ConnectionError" in run(world.app, "doctor").output


@pytest.mark.databases
def test_forgotten_upgrade_is_one_sentence_everywhere(world: worlds.World) -> None:
    running.downgrade(world.context.database.engine, "base")
    world.host.actor = worlds.STAFF

    assert ready(world)[1]["migrations"] == "error"
    assert world.backups.call("BackupNow", {"serviceid": "1"}) == OUTDATED
    assert world.backups.call("CreateAccount", world.params()) == OUTDATED
    for path in ("/admin/backups/", "/services/1/backups/"):
        page = world.app.test_client().get(path)
        assert (page.status_code, page.text) == (503, OUTDATED)
    world.host.actor = worlds.ALICE
    page = world.app.test_client().get("/services/1/backups/")
    assert (page.status_code, "upgrade" in page.text) == (503, False)
    for command in (["tick"], ["sync"], ["status", "--check"], ["doctor"], ["keys", "rotate"]):
        found = run(world.app, *command)
        assert (found.exit_code, OUTDATED in found.output) == (1, True), command


def test_lost_key_is_named_with_its_server(world: worlds.World) -> None:
    other = mount("sqlite://", tables=False)[1].context.vault
    object.__setattr__(world.context, "vault", other)

    found = run(world.app, "doctor")

    assert found.exit_code == 1
    assert "cannot be decrypted: PUQ_BACKUPS_KEYS lacks the key it was stored with." in found.output


def test_mail_server_is_tried(world: worlds.World, mailbox: Any) -> None:
    break_setting(world, smtp_url="smtp://127.0.0.1:1", mail_from="a@b.example")
    assert "error: The mail server of PUQ_BACKUPS_SMTP_URL: ConnectionRefusedError" in run(world.app, "doctor").output

    break_setting(world, smtp_url=mailbox.url)
    assert "ok: The mail server of PUQ_BACKUPS_SMTP_URL answers." in run(world.app, "doctor").output
    break_setting(world, smtp_url=mailbox.url.replace("smtp://", "smtp://user:wrong@"))
    assert "error: The mail server of PUQ_BACKUPS_SMTP_URL: " in run(world.app, "doctor").output


def test_doctor_prints_json(world: worlds.World) -> None:
    found = run(world.app, "doctor", "--json")

    report = json.loads(found.output)
    assert report["ok"] is (found.exit_code == 0)
    assert {finding["level"] for finding in report["findings"]} <= {"ok", "warning", "error"}
    assert any("No mail can be sent" in finding["text"] for finding in report["findings"])
