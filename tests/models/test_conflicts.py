"""Deadlocks, locked databases, lost connections and racing inserts: nobody reads of them, nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError
from support import databases
from support import world as worlds

from puq_backups.clock import chores, tick
from puq_backups.inventory import recorded_archives, storage_status
from puq_backups.models import Chore, Server, Service, Storage, conflicts, database
from puq_backups.pve.archives import StorageStatus


class Refusal(Exception):
    """As a driver raises it: PostgreSQL's has a `sqlstate`, MariaDB's a code as its first argument."""

    sqlstate: str | None = None


def deadlock(kind: str) -> Refusal:
    if kind == "postgresql":
        found = Refusal("deadlock detected")
        found.sqlstate = "40P01"
        return found
    return Refusal("database is locked") if kind == "sqlite" else Refusal(1213, "Deadlock found")


@contextmanager
def refused(world: worlds.World, times: int, which: Callable[[str], bool]) -> Iterator[list[str]]:
    """The first statements of which `which` says so meet a deadlock."""
    engine = world.context.database.engine
    hits: list[str] = []

    def refuse(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if which(statement) and len(hits) < times:
            hits.append(statement)
            raise OperationalError(statement, parameters, deadlock(engine.dialect.name))

    event.listen(engine, "before_cursor_execute", refuse)
    try:
        yield hits
    finally:
        event.remove(engine, "before_cursor_execute", refuse)


REQUESTS: dict[str, dict[str, Any]] = {
    "BackupNow": {}, "SaveSchedule": {"day_1": "1", "time_1": "03:00"}, "ClientArea": {},
    "ChangePackage": {"configoption1": 3, "configoption2": "local"}, "SuspendAccount": {},
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("table", ["puq_backups_service", "puq_backups_audit"])
def test_deadlock_in_a_request_is_repeated(world: worlds.World, name: str, table: str) -> None:
    with refused(world, 3, lambda statement: table in statement and not statement.startswith("SELECT")) as hits:
        answer = world.call(name, **REQUESTS[name])

    assert answer == "success" or answer["templatefile"] == "puq_backups/client/backups.html"
    assert len(hits) == (0 if name == "ClientArea" else 3)
    assert len(world.operations()) == (name == "BackupNow")


def test_what_was_committed_is_answered_as_accepted(world: worlds.World) -> None:
    """The start of what was asked for fails after the commit: the tick starts it."""
    with refused(world, 99, lambda statement: "UPDATE puq_backups_server" in statement or "lock=" in statement):
        assert world.call("BackupNow") == "success"
    assert [one.state for one in world.operations()] == ["waiting"]

    tick.tick(world.context)
    assert [one.state for one in world.operations()] == ["running"]


def test_nothing_is_repeated_after_a_commit(world: worlds.World) -> None:
    runs: list[int] = []

    @conflicts.repeated
    def work() -> None:
        runs.append(1)
        with world.context.database.begin() as session:
            session.execute(select(Server))
        raise OperationalError("", {}, deadlock("sqlite"))

    with pytest.raises(OperationalError):
        work()
    assert len(runs) == 1


def test_lasting_conflict_is_an_error_in_the_end(world: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "PAUSE", 0)
    with refused(world, 99, lambda statement: statement.startswith("UPDATE puq_backups_service")) as hits:
        assert world.call("BackupNow") == "Something went wrong on our side; the log has the details."

    assert len(hits) == conflicts.TRIES


@pytest.mark.databases
def test_racing_inserts_make_one_row(world: worlds.World) -> None:
    context, seen = world.context, StorageStatus("far", "dir", True, True, True, 1, 2, frozenset())
    with context.database.open() as session:
        server = session.scalars(select(Server)).one()

    def save(number: int) -> None:
        conflicts.repeated(_save)(number)

    def _save(number: int) -> None:
        with context.database.begin() as session:
            storage_status.save_storage(session, server, f"far{number % 3}", "pve1", seen)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(24)))
        list(pool.map(lambda number: chores.ensure_row(context, f"chore {number % 3}"), range(24)))

    with context.database.open() as session:
        assert session.scalar(select(func.count()).select_from(Storage).where(Storage.name.like("far%"))) == 3
        assert session.scalar(select(func.count()).select_from(Chore).where(Chore.name.like("chore %"))) == 3


@pytest.mark.databases
@pytest.mark.flow
def test_archive_that_two_record_at_once_is_one_row(world: worlds.World) -> None:
    world.back_up()
    context, operation, service = world.context, world.operations()[-1], world.service()

    @conflicts.repeated
    def record(number: int) -> str:
        volid = f"local:backup/vzdump-qemu-100-2026_01_01-00_00_0{number % 3}.vma.zst"
        with context.database.begin() as session:
            found = session.merge(service), session.merge(operation)
            return recorded_archives.record_archive(
                session, *found, volid=volid, node="pve1", disks=1, grace=timedelta()
            ).id  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(record, range(24)))

    assert len(set(ids)) == 3
    assert len(world.held()) == 4


@pytest.mark.databases
def test_what_a_refused_commit_should_have_stored_is_undone(world: worlds.World) -> None:
    """SQLite keeps the transaction of a COMMIT that found the database locked, and the connection is used again."""
    open_session, dialect = world.context.database.open, world.context.database.engine.dialect
    world.register()
    refused = OperationalError("COMMIT", None, deadlock(dialect.name))

    with open_session() as session, mock.patch.object(dialect, "do_commit", side_effect=refused):
        session.get_one(Service, "1").vm_name = "never stored"
        with pytest.raises(OperationalError):
            session.commit()

    with open_session() as session:
        assert session.get_one(Service, "1").vm_name == "web100"


@pytest.mark.databases
def test_connections_that_the_database_closed_are_replaced(
    world: worlds.World, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """MariaDB closes idle ones after `wait_timeout`; a restart of the database closes all."""
    monkeypatch.setattr(database, "ASK_AGAIN", 0)
    world.host.actor = worlds.ALICE
    for ask in (
        lambda: world.app.test_client().get("/services/1/backups/").status_code == 200,
        lambda: world.call("BackupNow") == "success",
        lambda: tick.tick(world.context)["started"] == 0,
    ):
        close_all(world)
        assert ask()


def close_all(world: worlds.World) -> None:
    """The database closes every connection of the pool, of which there is more than one."""
    engine = world.context.database.engine
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: world.service(), range(4)))
    if engine.dialect.name == "sqlite":
        return
    kind, listed, kill = KILLS[engine.dialect.name]
    with databases.admin(kind) as admin:
        for number in admin.scalars(text(listed), {"name": engine.url.database}).all():
            admin.execute(text(kill), {"number": number})


KILLS = {
    "postgresql": (
        "postgresql", "SELECT pid FROM pg_stat_activity WHERE datname = :name", "SELECT pg_terminate_backend(:number)"
    ),
    "mysql": ("mariadb", "SELECT id FROM information_schema.processlist WHERE db = :name", "KILL :number"),
}  # fmt: skip
"""Kind of server, how its connections to a database are listed, and how one is closed."""
