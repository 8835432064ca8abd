"""Health of clock, worker, daily tasks and mail: ok, warning or error, and the advice for staff."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import update
from support import world as worlds

from puq_backups.clock import chores, heartbeats, periodic
from puq_backups.errors import Message
from puq_backups.models import Chore, Mail, Operation, now
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> worlds.World:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    found.register()
    return found


def levels(world: worlds.World) -> dict[str, str]:
    with world.context.database.open() as session:
        return {part.name: part.level for part in heartbeats.components(session)}


def seen(world: worlds.World, name: str, ago: timedelta) -> None:
    chores.record_heartbeat(world.context, name)
    with world.context.database.begin() as session:
        session.execute(update(Chore).where(Chore.name == name).values(last_run_at=now() - ago))


def test_part_never_seen_is_an_error(world: worlds.World) -> None:
    assert levels(world) == {"clock": "error", "worker": "error", "daily": "error", "mail": "ok"}


def test_silent_part_is_a_warning_and_before_five_minutes_an_error(world: worlds.World) -> None:
    seen(world, "daily", timedelta(hours=24))

    for seconds, level in ((0, "ok"), (130, "ok"), (170, "warning"), (220, "warning"), (260, "error")):
        for name in ("tick", "worker"):
            seen(world, name, timedelta(seconds=seconds))

        assert levels(world) == {"clock": level, "worker": level, "daily": "ok", "mail": "ok"}


def test_worker_that_moves_nothing_is_an_error_whatever_signs_it_gives(world: worlds.World) -> None:
    seen(world, "worker", timedelta(0))
    world.call("BackupNow")
    with world.context.database.begin() as session:
        session.execute(update(Operation).values(wake_at=now() - timedelta(minutes=6)))

    with world.context.database.open() as session:
        [worker] = [part for part in heartbeats.components(session) if part.name == "worker"]

    assert worker.level == "error"
    assert str(worker.advice).startswith("1 operations are due and no worker moves them")
    world.drain()


def test_mail_that_does_not_go_out_is_told(world: worlds.World) -> None:
    at, rest = now() - timedelta(minutes=11), {"name": "n", "folder": "f", "recipient": "r@example.org"}

    for state, level in (("sent", "ok"), ("failed", "warning"), ("waiting", "error")):
        with world.context.database.begin() as session:
            session.add(Mail(event=state, state=state, created_at=at, wake_at=at, **rest))

        assert levels(world)["mail"] == level


@pytest.mark.flow
def test_status_and_doctor_say_the_same(world: worlds.World) -> None:
    run = world.app.test_cli_runner().invoke
    for command in (["tick"], ["worker", "--burst"]):
        assert run(args=["backups", *command]).exit_code == 0
    seen(world, "worker", timedelta(seconds=170))

    assert json.loads(run(args=["backups", "status"]).output)["health"] == levels(world)
    assert levels(world) == {"clock": "ok", "worker": "warning", "daily": "ok", "mail": "ok"}
    assert "warning: No worker runs: start `flask backups worker`." in run(args=["backups", "doctor"]).output


def test_chore_keeps_what_came_in_its_way_until_it_goes_well(world: worlds.World) -> None:
    world.back_up()
    refusal = {"status": 595, "reason": "No route to host", "path": "*/storage/*"}
    world.proxmox.control("refuse", times=None, **refusal)

    def trouble() -> str:
        with world.context.database.begin() as session:
            session.execute(update(Chore).where(Chore.name.startswith("sync ")).values(due_at=now()))
        periodic.sync_server(world.context, world.service().server_id, lambda: None)
        with world.context.database.open() as session:
            [stored] = [chore.last_error for chore in session.query(Chore).where(Chore.name.startswith("sync "))]
        return str(Message.from_json(stored))

    assert trouble().startswith("The storage local, seen from pve1, was not compared: ")
    world.proxmox.control("clear", of="refuse")
    assert trouble() == "None"
