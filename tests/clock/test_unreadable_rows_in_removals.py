"""One terminated service, or one backup of an earlier owner, that cannot be handled: the others are removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.models import Backup, Chore, now
from puq_backups.simulator import Simulator

from .unreadable_rows import UNREADABLE, make_unreadable

pytestmark = pytest.mark.slow

OF_A_SERVICE = [name for name, statement in UNREADABLE.items() if "UPDATE puq_backups_service" in statement]
OF_A_BACKUP = [name for name, statement in UNREADABLE.items() if "UPDATE puq_backups_backup" in statement]


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url, per_node=10, staff_email="staff@provider.example")
    found.register(storage="nfs")
    found.register("2", 101, "bob", storage="nfs")
    for service_id in ("1", "2"):
        found.back_up(service_id=service_id)
    yield found
    found.context.database.engine.dispose()


def removed(world: worlds.World) -> bool:
    """Whether Bob's backup was asked to be removed by a tick at which all chores are due."""
    with world.context.database.begin() as session:
        session.execute(update(Chore).values(due_at=now()))
    tick.tick(world.context)
    return "remove" in [operation.kind for operation in world.operations("2")]


@pytest.mark.parametrize("what", OF_A_SERVICE + OF_A_BACKUP)
def test_terminated_service_that_cannot_be_read_keeps_no_other_from_being_purged(
    world: worlds.World, what: str
) -> None:
    for service_id in ("1", "2"):
        assert world.call("TerminateAccount", service_id) == "success"
    with world.context.database.begin() as session:
        for service_id in ("1", "2"):
            service = session.merge(world.service(service_id))
            service.terminated_at = now() - timedelta(days=8 if service_id == "2" else 9)
    make_unreadable(world, UNREADABLE[what])

    assert removed(world)


@pytest.mark.parametrize("what", OF_A_SERVICE + OF_A_BACKUP)
def test_backup_of_an_earlier_owner_keeps_no_other_from_being_purged(world: worlds.World, what: str) -> None:
    with world.context.database.begin() as session:
        session.execute(update(Backup).values(client_id="earlier", expires_at=now() - timedelta(days=1)))
    make_unreadable(world, UNREADABLE[what])

    assert removed(world)
