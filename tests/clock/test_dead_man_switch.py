"""A clock or worker that stands still is seen within five minutes, wherever an operator looks; others never."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from support import world as worlds
from support.waiting import wait_until

from puq_backups import jobs
from puq_backups.clock import chores, heartbeats, tick
from puq_backups.jobs import pulse
from puq_backups.jobs.pulse import Pulse
from puq_backups.jobs.worker import JobWorker, serve
from puq_backups.models import Chore, Operation, now
from puq_backups.simulator import Simulator

NAME = "puq_backups.jobs.advance"


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    found.register()
    for name in ("tick", "worker", "daily"):
        chores.record_heartbeat(found.context, name)
    yield found
    found.context.database.engine.dispose()


def seen_at(world: worlds.World, name: str) -> Any:
    with world.context.database.open() as session:
        return session.scalar(select(Chore.last_run_at).where(Chore.name == name))


def looks(world: worlds.World) -> dict[str, Any]:
    """What each place says of clock and worker."""
    client, run = world.app.test_client(), world.app.test_cli_runner().invoke
    world.host.actor = worlds.STAFF
    health, ready = client.get("/backups/healthz"), client.get("/backups/readyz")
    status = run(args=["backups", "status", "--check"])
    page = client.get("/admin/backups/").text
    assert health.status_code == 200
    return {
        "healthz": {name: health.get_json()[name] for name in ("clock", "worker")},
        "readyz": ({name: ready.get_json()[name] for name in ("clock", "worker")}, ready.status_code),
        "status": (status.exit_code, [line.partition(":")[0] for line in status.stderr.splitlines()]),
        "page": {"clock": "The clock does not tick" in page, "worker": "No worker runs" in page},
    }


@pytest.mark.parametrize(("name", "part"), [("tick", "clock"), ("worker", "worker")])
def test_every_place_shows_a_process_that_stands_still(world: worlds.World, name: str, part: str) -> None:
    with world.context.database.begin() as session:
        late = now() - timedelta(minutes=4, seconds=30)
        session.execute(update(Chore).where(Chore.name == name).values(last_run_at=late))

    levels = {"clock": "ok", "worker": "ok"} | {part: "error"}
    assert looks(world) == {
        "healthz": levels, "readyz": (levels, 503), "status": (1, [part]),
        "page": {"clock": part == "clock", "worker": part == "worker"},
    }  # fmt: skip


def test_nothing_is_shown_while_both_go_on(world: worlds.World) -> None:
    levels = {"clock": "ok", "worker": "ok"}

    assert looks(world) == {
        "healthz": levels, "readyz": (levels, 200), "status": (0, []), "page": {"clock": False, "worker": False},
    }  # fmt: skip


def test_health_answers_without_a_database(world: worlds.World) -> None:
    with world.context.database.begin() as session:
        Chore.__table__.drop(session.connection())  # type: ignore[attr-defined]  # a table

    answer = world.app.test_client().get("/backups/healthz")

    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok", "clock": "unknown", "worker": "unknown"})


@pytest.mark.flow
def test_clock_gives_its_sign_of_life_at_the_end_of_a_tick(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = seen_at(world, "tick"), []
    # The last part of a tick: one that hung there would have given no sign yet.
    monkeypatch.setattr(
        "puq_backups.clock.protection.refresh_due", lambda _: seen.append(seen_at(world, "tick")) or 0
    )

    tick.tick(world.context)

    assert seen == [before]
    assert seen_at(world, "tick") > before


def test_worker_whose_lease_ran_out_with_its_name_on_it_is_seen(world: worlds.World) -> None:
    world.call("BackupNow")
    late = now() - timedelta(minutes=5)
    with world.context.database.begin() as session:
        session.execute(update(Operation).values(wake_at=late, lease_owner="x|1|2|3", lease_until=late))

    with world.context.database.open() as session:
        assert [part.level for part in heartbeats.processes(session)] == ["ok", "error"]
        session.execute(update(Operation).values(lease_until=now() + timedelta(minutes=1)))
        assert [part.level for part in heartbeats.processes(session)] == ["ok", "ok"]


def test_heartbeats_end_with_the_loop_that_hangs(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that hangs: the thread that stores heartbeats goes on, and must not cover it up."""
    monkeypatch.setattr(jobs, "BEAT_EVERY", 0.0)
    monkeypatch.setattr(pulse, "STILL_AFTER", 1.0)
    go_on, stop, beats = threading.Event(), threading.Event(), Pulse()
    queue = jobs.queue(world.context.settings)
    accepts = {NAME: (lambda _: go_on.wait(), (str,))}
    timer = threading.Thread(target=jobs._enqueue_due_forever, args=(world.context, stop, beats))
    queue.enqueue(NAME, "a job that hangs")
    hanging = threading.Thread(target=JobWorker(queue, accepts, 600, beats).work, kwargs={"burst": True})
    monkeypatch.setattr(JobWorker, "_install_signal_handlers", lambda _: None)
    monkeypatch.setattr(JobWorker, "death_penalty_class", NoLimit)
    timer.start(), hanging.start()
    try:
        wait_until(lambda: not beats.is_recent())
        wait_until(lambda: still(world))
    finally:
        go_on.set(), stop.set()
        hanging.join(), timer.join()
    assert seen_at(world, "worker") < now() - timedelta(seconds=1)


class NoLimit:
    """RQ's time limit needs the main thread."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def still(world: worlds.World) -> bool:
    """Whether no heartbeat has been stored for two rounds of the thread that stores them."""
    before = seen_at(world, "worker")
    time.sleep(2.2)
    return bool(seen_at(world, "worker") == before)


def test_idle_loop_beats_often_enough(world: worlds.World) -> None:
    """The longest wait for a job, with its round of the loop, is shorter than the age at which it counts as still."""
    made = JobWorker(jobs.queue(world.context.settings), {}, 600)

    assert made.dequeue_timeout < pulse.STILL_AFTER
    assert timedelta(seconds=pulse.STILL_AFTER) + heartbeats.ERROR_AFTER <= timedelta(minutes=5)
    beats = Pulse()
    beats._at -= 1000
    assert not beats.is_recent()
    made.pulse = beats
    made.heartbeat()
    assert beats.is_recent()
    stop = threading.Event()
    stop.set()
    serve(lambda: made, stop, beats)
