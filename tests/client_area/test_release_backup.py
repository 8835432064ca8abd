"""ReleaseBackup: from when a backup that others made counts, protects and may be rotated; who may decide it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from support import world as worlds

from puq_backups import Actor
from puq_backups.models import AuditEntry, Backup, now


def by_others(world: worlds.World, kind: str) -> Backup:
    """A backup that others made, older than any of ours."""
    backup = world.back_up()
    old = {"kind": kind, "operation_id": None, "created_at": now() - timedelta(days=90), "local_date": "2025-01-01"}
    with world.context.database.begin() as session:
        # By the object: so it is noticed that what protects the service has changed.
        row = session.get_one(Backup, backup.id)
        for name, value in old.items():
            setattr(row, name, value)
    return backup


def used(world: worlds.World) -> int:
    answer = world.backups.call("ClientArea", {"serviceid": "1"}, actor=worlds.ALICE)
    found: int = answer["vars"]["quota"]["used"]
    return found


@pytest.mark.databases
@pytest.mark.parametrize("kind", ["adopted", "imported"])
def test_backup_of_others_counts_once_it_is_released(world: worlds.World, kind: str) -> None:
    backup = by_others(world, kind)
    before, good = used(world), world.service().last_good_at
    world.host.actor = worlds.ALICE

    assert world.call("ReleaseBackup", backup_id=backup.id) == "success"

    assert (before, good, used(world)) == (0, None, 1)
    assert world.service().last_good_at is not None
    with world.context.database.open() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "release")).one()
    assert (entry.actor, entry.service_id) == (worlds.ALICE.label, "1")
    assert backup.volid in entry.text


def test_only_what_does_not_count_yet_is_released(world: worlds.World) -> None:
    own, theirs = world.back_up(), by_others(world, "imported")
    world.host.actor = worlds.ALICE
    assert world.call("ReleaseBackup", backup_id=theirs.id) == "success"

    for backup in (own, theirs):
        assert world.call("ReleaseBackup", backup_id=backup.id) == "This backup counts already."


@pytest.mark.parametrize(
    ("actor", "answer"),
    [
        (
            Actor(client_id="alice", permissions=frozenset({"view", "create", "restore"})),
            "Your account does not have",
        ),
        (worlds.BOB, "There is nothing here."),
    ],
    ids=["sub-user", "other client"],
)
def test_release_needs_the_right_to_remove(world: worlds.World, actor: Actor, answer: str) -> None:
    backup = by_others(world, "imported")
    world.host.actor = actor

    assert str(world.call("ReleaseBackup", backup_id=backup.id)).startswith(answer)
    assert world.held()[0].released_at is None
