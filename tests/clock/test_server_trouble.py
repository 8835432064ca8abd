"""Staff are mailed about a server that cannot be read, and about what holds operations up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.models import Chore, Mail, now
from puq_backups.operations import engine, state_changes
from puq_backups.simulator import Simulator


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> Iterator[worlds.World]:
    found = worlds.make(proxmox, sqlite_url, redis_url, staff_email="staff@example.net")
    found.register()
    yield found
    found.context.database.engine.dispose()


def mails(world: worlds.World) -> list[tuple[str, str]]:
    with world.context.database.open() as session:
        found = session.scalars(select(Mail).where(Mail.recipient == "staff@example.net"))
        return [(mail.folder, str(mail.fields["reason"])) for mail in found if "reason" in mail.fields]


def tick_again(world: worlds.World) -> None:
    """A tick to which all chores are due."""
    with world.context.database.begin() as session:
        session.execute(update(Chore).values(due_at=now()))
    tick.tick(world.context)


def test_refused_token_is_told_once(world: worlds.World) -> None:
    world.proxmox.control("token-revoked", token="panel")
    for _ in range(2):
        tick_again(world)

    [(folder, reason)] = mails(world)
    assert folder == "server_trouble"
    assert "Proxmox refused the API token" in reason


def test_lock_left_behind_is_told_to_staff_and_client(world: worlds.World) -> None:
    world.proxmox.control("leftover-lock", vmid=100, lock="backup")
    assert world.call("BackupNow") == "success"
    operation = world.operations()[-1]
    state_changes.start(world.context, operation.id)
    engine.advance(world.context, operation.id)
    with world.context.database.begin() as session:
        held_up = session.merge(world.operations()[-1])
        held_up.store(troubled_since=time.time() - 200)
        held_up.wake_at = now()
    engine.advance(world.context, operation.id)

    assert [folder for folder, _ in mails(world)] == ["operation_trouble"]
    assert str(world.operations()[-1].why) == "Our support has been told: VM is locked (backup)"


def test_failed_backup_is_told_to_staff(world: worlds.World) -> None:
    world.proxmox.control("backup-error", vmid=100, text="job failed with err -5 - Input/output error")
    assert world.call("BackupNow") == "success"
    world.drain()

    [(folder, reason)] = mails(world)
    assert folder == "operation_trouble"
    assert "Input/output error" in reason
