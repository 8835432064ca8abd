"""Running tasks are polled by node, ever more rarely, and their logs are read only while somebody looks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from support import world as worlds
from support.waiting import wait_until

from bench import counting
from puq_backups import jobs
from puq_backups.config import Settings
from puq_backups.models import Operation, now
from puq_backups.operations import engine, node_watch, queue, start_conditions, task_watch
from puq_backups.operations.queue import Place
from puq_backups.pve import paths
from puq_backups.simulator import Simulator

LOG = "/nodes/{node}/tasks/{upid}/log"
STATUS = "/nodes/{node}/tasks/{upid}/status"
ACTIVE = "/nodes/{node}/tasks"


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    """Alice's and Bob's machines on one node, whose two backups wait in Proxmox for the node's lock."""
    proxmox.control("migrate", vmid=101, node="pve1")
    found = worlds.make(proxmox, sqlite_url, redis_url, per_node=2)
    found.register()
    found.register("2", 101, "bob")
    proxmox.control("vzdump-lock-held", node="pve1")
    for service_id in ("1", "2"):
        assert found.call("BackupNow", service_id) == "success"
        while not found.operations(service_id)[0].upid:
            engine.advance(found.context, found.operations(service_id)[0].id)
    yield found
    found.context.database.engine.dispose()


def place(world: worlds.World) -> Place:
    return Place(world.service().server_id, "pve1")


def requests_of(world: worlds.World, work: Callable[[], object]) -> list[str]:
    before = len(world.proxmox.requests())
    work()
    return [one.template for one in world.proxmox.requests()[before:]]


@pytest.mark.flow
def test_one_call_and_one_write_tell_of_all_tasks_of_a_node(world: worlds.World) -> None:
    found = []
    with counting.counted(world.context.database.engine) as cost:
        asked = requests_of(world, lambda: found.append(node_watch.poll(world.context, place(world))))

    assert asked == [ACTIVE]
    assert cost.writes == 1
    assert found == [node_watch.Polled([], [])]
    assert all(world.operations(one)[0].wake_at > now() - timedelta(seconds=1) for one in ("1", "2"))


def test_poll_that_is_pending_is_not_enqueued_again_and_nothing_is_written_for_it(world: worlds.World) -> None:
    with world.app.app_context():
        rq_queue = jobs.queue(world.context.settings)
    rq_queue.empty()
    with world.context.database.begin() as session:
        session.execute(update(Operation).values(wake_at=now()))

    with counting.counted(world.context.database.engine) as cost:
        enqueued = [queue.enqueue_due(world.context) for _ in range(2)]

    assert enqueued == [1, 0]
    assert cost.writes == 0
    assert [tuple(job.args) for job in rq_queue.get_jobs()] == [place(world)]
    with world.app.app_context():
        jobs.poll(*place(world))
    with world.context.database.begin() as session:
        session.execute(update(Operation).values(wake_at=now()))
    assert queue.enqueue_due(world.context) == 1


def test_log_is_read_from_the_last_known_line_while_somebody_looks(world: worlds.World) -> None:
    node_watch.note_watched(world.context, "1")
    operation = world.operations()[0]
    starts = []
    for _ in range(2):
        polled = node_watch.poll(world.context, place(world))
        assert polled == node_watch.Polled([operation.id], [])
        asked = requests_of(world, lambda: engine.advance(world.context, operation.id, task_runs=True))
        assert asked == [LOG]
        starts.append(int(world.proxmox.requests()[-1].params["start"]))

    assert starts[0] == 0 < starts[1]
    assert str(world.operations()[0].why) == str(start_conditions.NODE_BUSY)
    assert world.operations("2")[0].why is None


def test_first_look_at_a_page_polls_its_task_at_once(world: worlds.World) -> None:
    with world.app.app_context():
        queue = jobs.queue(world.context.settings)
    queue.empty()

    node_watch.note_watched(world.context, "1")
    node_watch.note_watched(world.context, "1")

    assert [tuple(job.args) for job in queue.get_jobs()] == [place(world)]


def test_task_that_is_not_listed_is_asked_for_once(world: worlds.World) -> None:
    world.proxmox.control("vzdump-lock-released", node="pve1")
    assert world.proxmox.idle()
    with world.app.app_context():
        jobs.run_worker(world.context, burst=True)

    assert [world.operations(one)[0].state for one in ("1", "2")] == ["done", "done"]
    assert world.proxmox.count("GET", STATUS) == 2
    assert world.proxmox.count("GET", LOG) == 2


def test_task_that_has_just_ended_is_not_taken_for_a_running_one(world: worlds.World) -> None:
    world.proxmox.control("active-list-lags", seconds=600)
    world.proxmox.control("undo", of="vzdump-lock-held")
    wait_until(lambda: not any(task.running for task in world.proxmox.tasks("vzdump")), lambda: "both tasks")
    listed = world.client.get_list("nodes", paths.node("pve1"), "tasks", source="active")
    assert sorted(row["status"] for row in listed) == ["OK", "OK"]

    world.drain()

    assert [world.operations(service_id)[0].state for service_id in ("1", "2")] == ["done", "done"]


def test_operations_handle_the_error_where_the_node_does_not_answer(world: worlds.World) -> None:
    with world.context.database.begin() as session:
        session.execute(
            update(Operation).where(Operation.service_id == "2").values(wake_at=now() + timedelta(hours=1))
        )
    world.proxmox.control("refuse", method="GET", path="/nodes/pve1/tasks", status=500, reason="broken", times=None)

    polled = node_watch.poll(world.context, place(world))

    assert polled == node_watch.Polled((), [world.operations()[0].id])


@pytest.mark.parametrize(
    ("minutes", "watched", "polls"),
    [(0.5, False, 1), (0.95, False, 1), (2, False, 6), (4, False, 12), (600, False, 12), (600, True, 1)],
)
def test_interval_grows_unless_somebody_looks(minutes: float, watched: bool, polls: int) -> None:
    settings = Settings(keys=(), poll=timedelta(seconds=5))
    intent = {"at": time.time() - 60 * minutes}

    found = task_watch.pause_seconds(settings, intent, watched=watched)

    assert found == pytest.approx(5 * polls, rel=0.1)


def test_polls_of_a_task_of_ten_minutes_that_nobody_watches() -> None:
    settings = Settings(keys=(), poll=timedelta(seconds=5))
    age, ages = 0.0, []
    while age < 600:
        age += task_watch.pause_seconds(settings, {"at": time.time() - age}, watched=False)
        ages.append(age)

    pauses = [round(after - before) for before, after in itertools.pairwise(ages)]
    assert sum(age <= 60.5 for age in ages) == 12
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60
    assert len(ages) <= 26


def test_operation_that_moved_meanwhile_is_not_noted_as_enqueued(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next poll would be left out for half a minute."""
    operation = world.operations()[0].id
    _set(world, operation, wake_at=now(), lease_owner="another worker")
    look = queue.due

    def due(*args: Any, **options: Any) -> list[queue.Due]:
        found = look(*args, **options)
        _set(world, operation, wake_at=now() + timedelta(seconds=5), lease_owner=None)
        return found

    monkeypatch.setattr(queue, "due", due)
    queue.enqueue_due(world.context)

    assert world.operations()[0].enqueued_at is None


def _set(world: worlds.World, operation_id: str, **values: Any) -> None:
    with world.context.database.begin() as session:
        session.execute(update(Operation).where(Operation.id == operation_id).values(**values))
