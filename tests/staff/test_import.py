"""`flask backups import`: services and archives of an existing cluster, dry first, again and again, none rotated."""

from __future__ import annotations

import sqlite3
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import delete, event, func, select, update
from sqlalchemy.exc import OperationalError
from support import world as worlds

from puq_backups.models import AuditEntry, Backup, Mail, Operation, Server, Service, Storage

from .import_helpers import lines, run

GIB = 1024**3
STATE_OF_BACKUP = "/nodes/{node}/vzdump/extractconfig"
CONFIG = "/nodes/{node}/qemu/{vmid}/config"


def rows(world: worlds.World) -> list[int]:
    with world.context.database.open() as session:
        tables = (Server, Service, Backup, Storage, Operation, Mail, AuditEntry)
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


@pytest.mark.databases
def test_dry_run_says_what_would_be_stored_and_stores_nothing(world: worlds.World) -> None:
    before = rows(world)

    dry = run(world, "--daily", "02:00")
    stored = rows(world)
    wet = run(world, "--daily", "02:00", "--write")

    assert stored == before
    assert dry.stdout.splitlines()[:-1] == wet.stdout.splitlines()
    assert dry.stdout.endswith("Nothing was stored. Run it again with --write to store this.\n")
    table = lines(dry)
    assert table["1"][:6] == ["100", "web100", "new", "0", "0", "0"]
    assert table["2"][:6] == ["102", "spare102", "new", "1", "0", "0"]
    assert table["2"][6].endswith(" 02:00 UTC: makes 1 backup, removes 0")
    assert (dry.exit_code, wet.exit_code) == (0, 0)
    [archive] = world.held("2")
    assert (archive.kind, archive.disks, archive.note) == ("imported", 1, "an earlier customer's")
    assert world.service("2").next_run_at is not None


def test_import_goes_on_where_it_was_interrupted(world: worlds.World) -> None:
    host = world.host
    assert isinstance(host, worlds.ListingHost)
    everything, host.listed = host.listed, {"2": host.listed["2"]}
    run(world, "--write")
    before = rows(world)
    host.listed = everything
    configs, insides = (world.proxmox.count("GET", path) for path in (CONFIG, STATE_OF_BACKUP))

    again = run(world, "--write")

    assert {key: cells[2:5] for key, cells in lines(again).items()} == {
        "1": ["new", "0", "0"],
        "2": ["known", "0", "1"],
    }
    assert world.proxmox.count("GET", CONFIG) - configs == 1
    assert world.proxmox.count("GET", STATE_OF_BACKUP) == insides
    assert rows(world)[:3] == [before[0], before[1] + 1, before[2]]


def test_archive_of_another_machine_is_left_alone(world: worlds.World) -> None:
    world.register()
    world.back_up()
    with world.context.database.begin() as session:
        for table in (Backup, Operation, Service):
            session.execute(delete(table))
    world.proxmox.control("vmid-reused", vmid=100)

    found = run(world, "--write")

    assert lines(found)["1"][2:6] == ["new", "0", "0", "1"]
    assert world.held() == []
    assert len(world.proxmox.volumes("local")) == 1


@pytest.mark.flow
def test_imported_archives_are_not_rotated_until_they_are_released(world: worlds.World) -> None:
    """Fourteen archives of others under quota 3 lose nothing; once released, the oldest ones make room."""
    world.register("9", 103, "zoe", storage="nfs")
    for _ in range(4):
        world.back_up(service_id="9") if len(world.held("9")) < 3 else None
    with world.context.database.begin() as session:
        for table in (Backup, Operation):
            session.execute(delete(table))
    run(world, "--write")
    host = world.host
    assert isinstance(host, worlds.ListingHost)
    host.listed = {"9": world.params("9", 103, "zoe", storage="nfs")}
    assert lines(run(world, "--write"))["9"][2:6] == ["known", "3", "0", "0"]
    there = {backup.volid for backup in world.held("9")}

    for _ in range(3):
        scheduled(world, "9")
    held = world.held("9")
    assert there < {backup.volid for backup in held}
    assert len(held) == 6
    oldest = held[0]
    host.actor = worlds.Actor(client_id="zoe")
    assert world.call("ReleaseBackup", "9", backup_id=oldest.id) == "success"
    scheduled(world, "9")

    left = {backup.volid for backup in world.held("9")}
    assert oldest.volid not in left
    assert there - left == {oldest.volid}


def scheduled(world: worlds.World, service_id: str) -> None:
    """A run of the schedule that ends well, on a day of its own."""
    number = len(world.operations(service_id))
    with world.context.database.begin() as session:
        service = session.get_one(Service, service_id)
        session.add(Operation.new(
            service, "backup", origin="scheduled", actor="schedule", slot_date=f"2026-01-{number + 1:02}",
            storage="nfs",
        ))  # fmt: skip
        session.execute(update(Backup).values(local_date="2025-01-01"))
    world.drain()
    assert [one.state for one in world.operations(service_id) if one.kind == "backup"][-1] == "done"


def test_service_of_another_client_or_machine_is_refused(world: worlds.World) -> None:
    world.register("1", 101, "bob")
    before = world.service("1")

    found = run(world, "--write")

    assert "registered with another client or virtual machine" in lines(found)["1"][-1] + found.stdout
    assert (world.service("1").vmid, world.service("1").client_id) == (before.vmid, before.client_id)


def test_machine_is_imported_once(world: worlds.World) -> None:
    host = world.host
    assert isinstance(host, worlds.ListingHost)
    host.listed["3"] = world.params("3", 100, "carol")

    for words in ([], ["--write"]):
        found = run(world, *words)
        assert [lines(found)[key][2] for key in ("1", "2")] == ["new", "new"]
        assert "3 services: 2 new, 0 known, 1 refused" in found.stdout
        assert "belongs to another service by now" in found.stdout


def test_conflict_in_the_database_does_not_end_an_import(world: worlds.World) -> None:
    dialect = world.context.database.engine.dialect
    commit, errors = dialect.do_commit, [sqlite3.OperationalError("database is locked")]

    def committed(connection: Any) -> None:
        if errors:
            raise errors.pop()
        commit(connection)

    with mock.patch.object(dialect, "do_commit", committed):
        found = run(world, "--write")

    assert found.exit_code == 0, found.output
    assert errors == []
    assert lines(found)["2"][2:6] == ["new", "1", "0", "0"]
    assert len(world.held("2")) == 1


def test_database_that_stays_busy_for_one_service_does_not_keep_the_others_out(world: worlds.World) -> None:
    def refuse(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("INSERT INTO puq_backups_service") and "web100" in str(parameters):
            raise OperationalError(statement, parameters, Exception("database is locked"))

    engine = world.context.database.engine
    event.listen(engine, "before_cursor_execute", refuse)
    found = run(world, "--write")
    event.remove(engine, "before_cursor_execute", refuse)

    assert "The database was busy or away. Run the import again." in found.stdout
    assert "2 services: 1 new, 0 known, 1 refused" in found.stdout
    assert [lines(run(world, "--write"))[key][2] for key in ("1", "2")] == ["new", "known"]
