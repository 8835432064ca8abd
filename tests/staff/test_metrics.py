"""`/metrics`: who may read it, what it shows of all processes, what a scrape costs, and what alerts rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from redis import Redis
from sqlalchemy import text, update
from support import world as worlds
from support.services import ROOT, Mailbox
from support.waiting import PATIENCE

from bench.counting import counted
from puq_backups.clock import chores, tick
from puq_backups.mail import delivery
from puq_backups.models import Chore, Operation, Service, now
from puq_backups.shared_redis.counters import CALL_OUTCOMES, METHODS, Counters
from puq_backups.simulator import Simulator
from puq_backups.staff import metrics

from .metrics_helpers import TOKEN, samples, scrape, value


@pytest.fixture
def world(proxmox: Simulator, database_url: str, redis_url: str, mailbox: Mailbox) -> Iterator[worlds.World]:
    found = worlds.make(
        proxmox, database_url, redis_url, metrics_token=TOKEN, smtp_url=mailbox.url, mail_from="a@b.example",
        staff_email="staff@b.example",
    )  # fmt: skip
    found.register()
    yield found
    found.context.database.engine.dispose()


def test_only_who_has_the_token_reads_metrics(world: worlds.World) -> None:
    client = world.app.test_client()

    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer é"}):
        answer = client.get("/backups/metrics", headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "puq_backups_" not in answer.text
    assert scrape(world).headers["Cache-Control"] == "no-store"
    assert scrape(world).headers["Content-Type"].startswith("text/plain; version=")
    object.__setattr__(world.context, "settings", replace(world.context.settings, metrics_token=""))
    for token in (TOKEN, ""):
        assert scrape(world, token).status_code == 404


def test_without_the_extra_it_says_what_to_install(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    answer = scrape(world)

    assert answer.status_code == 501
    assert answer.text == "Metrics need the package prometheus-client: pip install 'puq-backups[metrics]'.\n"


@pytest.mark.databases
def test_metrics_show_what_is_there(world: worlds.World) -> None:
    world.register("2", 101, "bob")
    for name in ("tick", "worker"):
        chores.record_heartbeat(world.context, name)
    world.back_up()
    world.call("BackupNow", "2")
    with world.context.database.begin() as session:
        session.execute(update(Service).where(Service.id == "2").values(protection="unprotected"))
        waiting = update(Operation).where(Operation.service_id == "2").values(state="waiting", lock=None)
        session.execute(waiting)

    found = samples(world)

    assert value(found, "operations", kind="backup", state="waiting") == 1
    assert value(found, "operations_ended_last_hour", kind="backup", state="done") == 1
    assert 0 <= value(found, "oldest_waiting_seconds") < 3600
    assert value(found, "services", protection="unprotected") == 1
    assert value(found, "last_good_backup_age_seconds_bucket", le="21600.0") == 1
    assert value(found, "last_good_backup_age_seconds_bucket", le="+Inf") == 2
    assert value(found, "services_restore_failed") == 0
    assert abs(value(found, "heartbeat_timestamp_seconds", process="clock") - now().timestamp()) < 3600
    assert value(found, "database_up") == value(found, "redis_up") == 1
    world.drain()


def test_calls_and_mails_of_all_processes_are_counted(world: worlds.World) -> None:
    other = Counters(world.context.settings.redis_url, world.context.settings.queue)
    other.count_call("POST", "no_answer", 34.9)
    other.count_mail("sent")
    before = samples(world)
    world.proxmox.control("refuse", path="*/vzdump", status=500, reason="no space left", times=1)

    world.call("BackupNow")
    world.drain()
    delivery.send_due(world.context)
    found = samples(world)

    assert value(found, "proxmox_call_seconds_count", method="POST", outcome="no_answer") == 1
    assert value(found, "proxmox_call_seconds_bucket", method="POST", outcome="no_answer", le="30.0") == 0
    assert value(found, "proxmox_call_seconds_sum", method="POST", outcome="no_answer") == 34.9
    assert value(found, "proxmox_call_seconds_count", method="POST", outcome="refused") == 1
    gets = {"method": "GET", "outcome": "ok"}
    assert value(found, "proxmox_call_seconds_count", **gets) > value(before, "proxmox_call_seconds_count", **gets)
    assert value(found, "mail_attempts_total", outcome="sent") > value(before, "mail_attempts_total", outcome="sent")


@pytest.mark.flow
def test_calls_of_a_worker_process_are_shown_by_the_web_process(world: worlds.World) -> None:
    world.call("BackupNow")
    before = samples(world)
    names = ("SQLALCHEMY_DATABASE_URI", "PUQ_BACKUPS_REDIS_URL")
    environ = {**os.environ, **{name: str(world.app.config[name]) for name in names}}
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "support.flask_app:app", "backups", "worker", "--burst"],
        env={**environ, "PUQ_BACKUPS_KEYS": worlds.KEY}, cwd=ROOT / "tests", check=True, capture_output=True,
        timeout=PATIENCE,
    )  # fmt: skip

    posts = {"method": "POST", "outcome": "ok"}
    assert ("proxmox_call_seconds_count", frozenset(posts.items())) not in before
    assert value(samples(world), "proxmox_call_seconds_count", **posts) == world.proxmox.count("POST", "*")


def test_outcomes_are_the_documented_ones(world: worlds.World) -> None:
    world.proxmox.control("refuse", path="*/vzdump", status=403, reason="Permission check failed", times=1)
    world.call("BackupNow")
    world.drain()

    calls = {labels for name, labels in samples(world) if name == "proxmox_call_seconds_count"}

    assert {("outcome", "denied"), ("method", "POST")} in calls
    assert {dict(labels)["outcome"] for labels in calls} <= set(CALL_OUTCOMES)
    assert {dict(labels)["method"] for labels in calls} <= set(METHODS)


@pytest.mark.databases
def test_scrape_costs_the_same_whatever_is_there(world: worlds.World) -> None:
    with counted(world.context.database.engine) as empty:
        metrics.read_facts(world.context)
    world.register("2", 101, "bob")
    world.back_up()
    tick.tick(world.context)

    with counted(world.context.database.engine) as filled:
        metrics.read_facts(world.context)

    assert (empty.queries, filled.queries, filled.writes) == (6, 6, 0)


def test_database_and_redis_that_fail_are_shown(world: worlds.World) -> None:
    nowhere = Counters("redis://127.0.0.1:1/0", "x")
    object.__setattr__(world.context, "counters", nowhere)
    assert value(samples(world), "redis_up") == 0
    with world.context.database.begin() as session:
        session.execute(text("DROP TABLE puq_backups_mail"))

    found = samples(world)

    assert value(found, "database_up") == 0
    assert {name for name, _ in found} == {"database_up", "redis_up"}


def test_stopped_clock_is_seen_in_the_metric(world: worlds.World) -> None:
    chores.record_heartbeat(world.context, "tick")
    with world.context.database.begin() as session:
        session.execute(update(Chore).values(last_run_at=now().replace(year=2020)))
        session.execute(update(Operation).values(state="done"))

    assert value(samples(world), "heartbeat_timestamp_seconds", process="clock") < 1_609_459_200


def test_counters_of_somebody_else_do_no_harm(world: worlds.World) -> None:
    settings = world.context.settings
    with Redis.from_url(settings.redis_url) as redis:
        redis.hset(f"{settings.queue}:counters", mapping={"call x": "1", "mail": "no", b"\xff": "3"})

    assert value(samples(world), "redis_up") == 1
