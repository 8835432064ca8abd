"""What a sync of a storage writes and asks for: only what differs, in batches."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from support import world as worlds

from bench import counting, fill
from puq_backups import jobs
from puq_backups.clock import periodic, tick
from puq_backups.inventory import compare_storage, sync
from puq_backups.models import Backup, Chore, Server, now
from puq_backups.pve import archives
from puq_backups.simulator import Simulator

MANY = 1200
VOLUME = "/nodes/{node}/storage/{storage}/content/{volume}"


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str) -> worlds.World:
    found = worlds.make(proxmox, sqlite_url, redis_url)
    found.register(backups=9)
    return found


def server(world: worlds.World) -> Server:
    with world.context.database.open() as session:
        return session.get_one(Server, world.service().server_id)


def synced(world: worlds.World) -> counting.Cost:
    with counting.counted(world.context.database.engine) as cost:
        assert sync.sync_backups(world.context, server(world)) is None
    return cost


def written(cost: counting.Cost) -> list[str]:
    return [one for one in cost.statements if one.startswith("UPDATE puq_backups_backup")]


def record_unlisted(world: worlds.World, count: int) -> None:
    """Rows of backups that are on no storage."""
    at, service = now() - timedelta(days=1), world.service()
    owner = fill.service(1) | {
        "id": service.id, "server_id": service.server_id, "client_id": service.client_id, "vmid": service.vmid,
    }  # fmt: skip
    rows = ({**fill.backup(owner, number, at), "storage": "local", "node": "pve1"} for number in range(count))
    times = (f"2020_01_01-00_{number // 60:02}_{number % 60:02}" for number in range(count))
    names = (f"local:backup/vzdump-qemu-{service.vmid}-{time}.vma.zst" for time in times)
    with world.context.database.begin() as session:
        fill.add_rows(session, Backup, ({**row, "volid": name} for row, name in zip(rows, names, strict=True)))


def test_rows_that_did_not_change_are_not_written(world: worlds.World) -> None:
    for _ in range(3):
        world.back_up()
    synced(world)

    cost = synced(world)

    assert written(cost) == []
    assert cost.writes <= 2  # the storage's own row


def test_rows_that_changed_are_written_in_batches(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_storage, "BATCH", 2)
    for _ in range(3):
        world.back_up()
    with world.context.database.begin() as session:
        session.execute(update(Backup).values(size=1))

    cost = synced(world)

    assert len(written(cost)) == 2
    assert {backup.size for backup in world.held()} != {1}
    assert 1 not in {backup.size for backup in world.held()}


def test_queries_do_not_grow_with_the_number_of_rows(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.back_up()
    few = synced(world).queries
    record_unlisted(world, MANY)
    with world.context.database.begin() as session:
        # Seen to be gone a moment ago: there is nothing to ask for yet.
        session.execute(update(Backup).where(Backup.id.like("b1-%")).values(gone_since=now()))
    asked = world.proxmox.count("GET", VOLUME)
    monkeypatch.setattr(compare_storage, "BATCH", 100)

    many = synced(world)

    assert many.queries == few
    assert world.proxmox.count("GET", VOLUME) == asked


@pytest.mark.flow
def test_number_of_volumes_asked_for_is_limited_and_the_rest_follows(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_storage, "MOST_ASKED", 4)
    world.back_up()
    record_unlisted(world, 6)

    asked = []
    for _ in range(3):
        before = world.proxmox.count("GET", VOLUME)
        synced(world)
        asked.append(world.proxmox.count("GET", VOLUME) - before)

    assert asked == [4, 2, 0]
    assert sum(backup.gone_since is not None for backup in world.held()) == 6


@pytest.mark.parametrize("removed_at", [None, now()])
def test_volumes_that_are_there_and_not_listed_are_asked_for_in_turn(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch, removed_at: datetime | None
) -> None:
    """Proxmox leaves out of a listing what the token may not see, and tells of it by name."""
    world.back_up()
    record_unlisted(world, 5)
    with world.context.database.begin() as session:
        session.execute(update(Backup).where(Backup.id.like("b1-%")).values(removed_at=removed_at))
    monkeypatch.setattr(compare_storage, "MOST_ASKED", 2)
    asked: list[str] = []
    monkeypatch.setattr(archives, "find", lambda _proxmox, _node, volid: asked.append(volid) or True)

    for _ in range(3):
        synced(world)

    assert (len(asked), len(set(asked)), asked[-1]) == (6, 5, asked[0])


def test_tick_leaves_the_sync_to_a_worker(world: worlds.World) -> None:
    world.back_up()
    with world.app.app_context():
        queue = jobs.queue(world.context.settings)
    queue.empty()
    listings = world.proxmox.count("GET", "/nodes/{node}/storage/{storage}/content")

    tick.tick(world.context)

    assert world.proxmox.count("GET", "/nodes/{node}/storage/{storage}/content") == listings
    assert [(job.func_name, job.args) for job in queue.get_jobs()] == [
        ("puq_backups.jobs.sync", [world.service().server_id])
    ]
    with world.app.app_context():
        jobs.run_worker(world.context, burst=True)
    assert world.proxmox.count("GET", "/nodes/{node}/storage/{storage}/content") > listings
    tick.tick(world.context)
    assert queue.get_jobs() == []


def test_sync_that_is_not_due_is_left_out(world: worlds.World) -> None:
    world.back_up()
    server_id = world.service().server_id
    periodic.sync_server(world.context, server_id, lambda: None)
    calls = len(world.proxmox.requests())

    periodic.sync_server(world.context, server_id, lambda: None)
    periodic.sync_server(world.context, "a server that is gone", lambda: None)

    assert len(world.proxmox.requests()) == calls
    with world.context.database.open() as session:
        assert session.get_one(Chore, f"sync {server_id}").last_error is None
