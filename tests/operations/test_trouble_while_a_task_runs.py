"""A Proxmox that does not answer for a while, while a task of ours runs there: once it answers, that is over."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from support import world as worlds
from support.client_steps import advance_until, client_state

from puq_backups import jobs
from puq_backups.models import Mail, Operation, now
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    """A backup whose task runs, and a Proxmox that answers no question for its tasks."""
    world = worlds.make(proxmox, sqlite_url, redis_url, staff_email="staff@example.net")
    world.register()
    world.host.actor = worlds.ALICE
    world.proxmox.control("slow-backup", vmid=100, seconds=3600)
    assert world.call("BackupNow") == "success"
    advance_until(world, lambda operation: operation.upid)
    world.proxmox.control("refuse", method="GET", path="*/tasks*", status=595, reason="No route to host", times=None)
    poll(world)
    yield world
    world.context.database.engine.dispose()


def poll(world: worlds.World, **changed: object) -> Operation:
    """Make the operation due, with values of its `data` changed, and poll the tasks of its node."""
    operation = world.operations()[-1]
    with world.context.database.begin() as session:
        values = {"wake_at": now(), "lease_owner": None, "data": {**operation.data, **changed}}
        session.execute(update(Operation).values(values))
    with world.app.app_context():
        jobs.poll(operation.server_id, operation.node)
    return world.operations()[-1]


def answer_again(world: worlds.World) -> None:
    world.proxmox.control("undo", of="refuse")


@pytest.mark.parametrize("watched", [False, True])
def test_reason_goes_once_the_task_is_seen_again(world: worlds.World, watched: bool) -> None:
    assert world.operations()[-1].why
    if watched:
        client_state(world)
    answer_again(world)
    operation = poll(world)

    assert (operation.state, operation.why) == ("running", None)


def test_trouble_of_an_hour_ago_does_not_count_for_the_next(world: worlds.World) -> None:
    """A step that meets another trouble, when its task has ended, gets all its patience again."""
    answer_again(world)
    operation = poll(world, tries=5)

    assert (operation.data["troubled_since"], operation.data["tries"]) == (None, 0)


def test_trouble_from_before_the_task_is_kept(world: worlds.World) -> None:
    """Else a call whose task ends for a lock each time would be repeated without end."""
    before = time.time() - 3600
    answer_again(world)

    assert poll(world, troubled_since=before).data["troubled_since"] == before


def test_staff_are_told_when_it_is_over_though_the_task_still_runs(world: worlds.World) -> None:
    started = time.time() - 600
    poll(world, troubled_since=started)
    with world.context.database.begin() as session:
        operation = session.merge(world.operations()[-1])
        operation.intent = {**(operation.intent or {}), "at": started}
    answer_again(world)
    poll(world)

    with world.context.database.open() as session:
        folders = [mail.folder for mail in session.scalars(select(Mail).order_by(Mail.created_at))]
    assert folders == ["operation_trouble", "trouble_over"]
