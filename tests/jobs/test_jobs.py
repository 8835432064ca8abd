"""Worker, clock and doorbell as processes: real RQ, on Valkey and on Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Worker
from sqlalchemy import update
from support import world as worlds
from support.waiting import PATIENCE, wait_until

from puq_backups import jobs
from puq_backups.clock import chores, tick
from puq_backups.config import Settings
from puq_backups.models import Chore, Operation, Storage, leases, now
from puq_backups.simulator import Simulator

HERE = Path(__file__).parents[1]


def command(world: worlds.World, *words: str) -> subprocess.Popen[bytes]:
    """`flask backups …` as a process of its own, on the same database, Redis and Proxmox."""
    names = ("SQLALCHEMY_DATABASE_URI", "PUQ_BACKUPS_REDIS_URL")
    environ = {**os.environ, **{name: str(world.app.config[name]) for name in names}, "PYTHONPATH": str(HERE)}
    environ["PUQ_BACKUPS_KEYS"] = worlds.KEY
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "support.flask_app:app", "backups", *words], env=environ, cwd=HERE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.redises
def test_burst_worker_ends_when_the_work_is_done(world: worlds.World) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    world.call("BackupNow", note="by a worker")
    with world.app.app_context():
        jobs.run_worker(world.context, burst=True)

    assert [operation.state for operation in world.operations()] == ["done"]


def test_tick_leaves_the_sync_to_a_worker(world: worlds.World) -> None:
    world.back_up()
    with world.context.database.begin() as session:
        session.execute(update(Storage).values(synced_at=None))
    with world.app.app_context():
        tick.tick(world.context)
        jobs.run_worker(world.context, burst=True)

    with world.context.database.open() as session:
        assert [one.synced_at is not None for one in session.query(Storage).where(Storage.backup_count > 0)] == [True]


@pytest.mark.slow
@pytest.mark.databases
def test_worker_process_makes_a_backup(world: worlds.World) -> None:
    world.call("BackupNow")
    worker = command(world, "worker", "--burst")
    output = worker.communicate(timeout=PATIENCE)[0].decode()

    assert worker.returncode == 0, output
    assert [operation.state for operation in world.operations()] == ["done"], output


@pytest.mark.slow
def test_killed_worker_is_followed_by_another_without_a_second_task(world: worlds.World) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=3)
    world.call("BackupNow")
    first = command(world, "worker")
    wait_until(lambda: world.proxmox.tasks("vzdump"))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = command(world, "worker", "--burst")
    output = second.communicate(timeout=PATIENCE)[0].decode()

    assert [operation.state for operation in world.operations()] == ["done"], output
    assert len(world.proxmox.tasks("vzdump")) == 1


@pytest.mark.slow
def test_worker_stops_on_sigterm(world: worlds.World) -> None:
    worker = command(world, "worker")
    with Redis.from_url(world.app.config["PUQ_BACKUPS_REDIS_URL"]) as client:
        # Registered comes before the signal handlers, idle after them.
        wait_until(lambda: [one for one in Worker.all(connection=client) if one.get_state() == "idle"])
    worker.send_signal(signal.SIGTERM)
    output = worker.communicate(timeout=PATIENCE)[0].decode()

    assert worker.returncode == 0, output


def test_polls_go_before_operations_that_wait_for_a_worker(redis_url: str) -> None:
    """As many operations may be due at once as there are nodes; a poll would be minutes late behind them."""
    settings = Settings(redis_url=redis_url)
    enqueuer = jobs.Enqueuer(settings)
    enqueuer.enqueue(["one", "two"])
    enqueuer.enqueue_polls([("server", "pve1"), ("server", "pve2")])

    waiting = [job.args[-1] for job in jobs.queue(settings).jobs]

    assert sorted(waiting[:2]) == ["pve1", "pve2"]
    assert waiting[2:] == ["one", "two"]


def test_ticks_without_a_worker_do_not_fill_the_queue(world: worlds.World) -> None:
    """A clock goes on while no worker takes jobs, or more slowly than it ticks."""
    world.call("BackupNow")
    waiting = jobs.queue(world.context.settings)
    counts = []
    for _ in range(4):
        tick.tick(world.context)
        counts.append(len(waiting))

    assert counts[0] > 0
    assert counts[1:] == counts[:1] * 3


def test_emptied_redis_loses_nothing(world: worlds.World) -> None:
    world.call("BackupNow")
    with Redis.from_url(world.app.config["PUQ_BACKUPS_REDIS_URL"]) as client:
        client.flushdb()
    assert world.app.test_cli_runner().invoke(args=["backups", "tick"]).exit_code == 0
    with world.app.app_context():
        jobs.run_worker(world.context, burst=True)

    assert [operation.state for operation in world.operations()] == ["done"]


def test_redis_that_is_away_does_not_hinder_a_wish(proxmox: Simulator, sqlite_url: str) -> None:
    world = worlds.make(proxmox, sqlite_url, "redis://127.0.0.1:9/0")
    world.register()

    assert world.call("BackupNow") == "success"


@pytest.mark.databases
def test_one_of_two_clocks_holds_the_lease(world: worlds.World) -> None:
    minute = timedelta(minutes=1)
    mine, other = leases.new_owner(), leases.new_owner()

    assert chores.acquire_lease(world.context, "clock", mine, minute)
    assert not chores.acquire_lease(world.context, "clock", other, minute)
    assert chores.acquire_lease(world.context, "clock", mine, minute)

    with world.context.database.begin() as session:
        session.execute(update(Chore).values(lease_until=now() - minute))
    assert chores.acquire_lease(world.context, "clock", other, minute)


@pytest.mark.flow
def test_lease_of_a_dead_process_is_free_at_once(world: worlds.World) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from puq_backups.models import leases; print(leases.new_owner())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert leases.is_dead(ended.stdout.strip())
    assert not leases.is_dead(leases.new_owner())
    assert not leases.is_dead("another-boot/1|1|1|abc")


@pytest.mark.flow
def test_stuck_operation_keeps_its_lock_and_ends_when_its_task_does(world: worlds.World) -> None:
    world.proxmox.control("slow-backup", vmid=100, seconds=2)
    world.call("BackupNow")
    with world.context.database.begin() as session:
        session.execute(update(Operation).values(deadline_at=now()))
    world.app.test_cli_runner().invoke(args=["backups", "tick"])
    assert [(operation.state, operation.lock) for operation in world.operations()] == [("stuck", "1")]

    world.drain()

    assert [operation.state for operation in world.operations()] == ["done"]
