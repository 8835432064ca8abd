"""Whoever comes second finds it done: ticks, claims, locks and quotas under races, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from support import world as worlds
from support.client_steps import advance_until, drain_while

from puq_backups.clock import slots, tick
from puq_backups.operations import engine, node_watch, state_changes

pytestmark = pytest.mark.databases
AT_ONCE = 6
SUNDAY = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)


def at_once(work: Callable[[int], Any], count: int = AT_ONCE) -> list[Any]:
    """The answers of `count` threads that begin together; an error in one is its answer."""
    barrier, answers = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            answers[number] = work(number)
        except Exception as error:  # noqa: BLE001 - a thread's error is looked at by the test
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def weekly(time: str = "12:00") -> dict[str, str]:
    return {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": time for day in range(7)} | {"timezone": "UTC"}


@pytest.mark.flow
def test_two_ticks_at_once_make_one_backup(world: worlds.World) -> None:
    with time_machine.travel(SUNDAY, tick=True) as clock:
        assert world.call("SaveSchedule", **weekly()) == "success"
        for day in range(3):
            clock.move_to(SUNDAY + timedelta(days=day, hours=2, minutes=1))
            answers = at_once(lambda _: tick.tick(world.context), 3)
            assert not [answer for answer in answers if isinstance(answer, Exception)], answers
            world.drain()

            assert [operation.state for operation in world.operations()] == ["done"] * (day + 1)
            assert len(world.proxmox.tasks("vzdump")) == day + 1


def test_claiming_slots_at_once_records_each_once(world: worlds.World) -> None:
    with time_machine.travel(SUNDAY, tick=True) as clock:
        world.call("SaveSchedule", **weekly())
        clock.move_to(SUNDAY + timedelta(days=3, hours=3))

        answers = at_once(lambda _: slots.claim_due(world.context))

    assert not [answer for answer in answers if isinstance(answer, Exception)], answers
    found = sorted((operation.slot_date, operation.state) for operation in world.operations())
    assert found == [
        ("2026-11-29", "missed"), ("2026-11-30", "missed"), ("2026-12-01", "missed"), ("2026-12-02", "waiting"),
    ]  # fmt: skip


def test_last_free_place_goes_to_exactly_one(world: worlds.World) -> None:
    world.back_up()
    world.back_up()
    world.proxmox.control("slow-backup", vmid=100, seconds=30)

    answers = at_once(lambda number: world.call("BackupNow", note=str(number)))

    assert answers.count("success") == 1, answers
    assert len(world.operations()) == 3
    world.proxmox.control("clear", of="slow-backup", vmid=100)


def test_starting_an_operation_at_once_starts_it_once(world: worlds.World) -> None:
    world.context.settings.__dict__["poll"] = timedelta(seconds=60)
    with world.context.database.begin() as session:
        slot = slots._new_slot(session, session.get_one(worlds.Service, "1"), SUNDAY.date(), SUNDAY)
    answers = at_once(lambda _: state_changes.start(world.context, slot.id))

    assert answers.count(True) == 1, answers
    assert world.operations()[0].lock == "1"


def test_advancing_an_operation_at_once_starts_one_task(world: worlds.World) -> None:
    world.call("BackupNow")
    operation = world.operations()[0]

    def work(_: int) -> None:
        for _ in range(40):
            engine.advance(world.context, operation.id)

    answers = at_once(work, 4)
    assert not [answer for answer in answers if answer], answers
    world.drain()

    assert world.operations()[0].state == "done"
    assert len(world.proxmox.tasks("vzdump")) == 1


@pytest.mark.flow
def test_backup_stopped_while_its_worker_looks_ends_cancelled(world: worlds.World) -> None:
    """The worker has read its row before the wish to stop it is written, and writes that row after it."""
    world.proxmox.control("hold-task", type="vzdump", vmid=100, label="running")
    assert world.call("BackupNow") == "success"
    operation = advance_until(world, lambda operation: operation.upid)
    node_watch.note_watched(world.context, "1")
    world.proxmox.control("hold", method="GET", path="*/tasks/*/log", label="looking")
    drain_while(world, "looking", lambda: world.call("CancelOperation", operation_id=operation.id))

    ended = world.operations()[-1]
    assert (ended.state, ended.lock, world.held()) == ("cancelled", None, [])
    assert ended.data["upids"] == [operation.upid]
