"""Errors of our own: what handles one must not need what is broken, and a passing one is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError
from support import world as worlds

from puq_backups.models import AuditEntry, Mail, Operation, Server, Service, now
from puq_backups.operations import dispatch, engine, errors
from puq_backups.pve import archives

SIXTEEN_EIB = 2**64 - 4096


@contextmanager
def failing(world: worlds.World, fails: Callable[[str], bool], said: str = "Deadlock found") -> Iterator[None]:
    """Each statement of which `fails` says so is refused by the database."""

    def refuse(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if fails(statement):
            raise OperationalError(statement, parameters, Exception(said))

    engine_ = world.context.database.engine
    event.listen(engine_, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(engine_, "before_cursor_execute", refuse)


def once(found: Callable[[str], bool]) -> Callable[[str], bool]:
    hits: list[str] = []
    return lambda statement: found(statement) and not hits and not hits.append(statement)  # type: ignore[func-returns-value]  # append is for its effect


def started(world: worlds.World) -> Operation:
    assert world.call("BackupNow") == "success"
    dispatch.start_waiting(world.context)
    return world.operations()[-1]


def due_again(world: worlds.World) -> None:
    """A minute later."""
    with world.context.database.begin() as session:
        session.execute(update(Operation).where(Operation.state == "running").values(wake_at=now()))


def writes_a_step(statement: str) -> bool:
    return statement.startswith("UPDATE puq_backups_operation SET") and "data=" in statement


@pytest.mark.databases
def test_database_error_in_a_step_is_counted_and_the_step_is_run_again(world: worlds.World) -> None:
    operation = started(world)

    with failing(world, once(writes_a_step)):
        engine.advance(world.context, operation.id)

    found = world.operations()[-1]
    assert (found.data.get("faults"), found.lease_owner, found.state) == (1, None, "running")
    assert now() < found.wake_at
    assert (found.wake_at - now()).total_seconds() <= 60
    due_again(world)
    world.drain()
    assert world.operations()[-1].state == "done"


def test_lasting_database_error_ends_the_operation_and_frees_the_lock(world: worlds.World) -> None:
    operation = started(world)

    with failing(world, lambda statement: statement.startswith("INSERT INTO puq_backups_storage"), "out of range"):
        for _ in range(errors.MAX_FAULTS):
            due_again(world)
            while engine.advance(world.context, operation.id):
                pass

    found = world.operations()[-1]
    assert (found.state, found.lock) == ("failed", None)
    assert "Something went wrong on our side" in str(found.why)


def test_fault_that_cannot_be_stored_leaves_the_operation_to_the_next_worker(world: worlds.World) -> None:
    """The database goes away in a step: nothing can be written, and the lease runs out."""
    operation = started(world)

    with failing(world, lambda statement: statement.startswith("UPDATE puq_backups_operation SET step")
                 or "data=" in statement):  # fmt: skip
        assert engine.advance(world.context, operation.id) is False

    with world.context.database.begin() as session:
        session.execute(update(Operation).values(lease_until=now()))
    world.drain()
    assert world.operations()[-1].state == "done"


def test_mail_that_cannot_be_written_does_not_keep_an_operation_from_ending(world: worlds.World) -> None:
    operation = started(world)
    settings = world.context.settings
    object.__setattr__(settings, "staff_email", "staff@provider.example")
    with world.context.database.begin() as session:
        session.get_one(Service, "1").package = {"backups": 3, "storage": "gone", "email_restored": []}

    with failing(world, lambda statement: "puq_backups_mail" in statement, "disk full"):
        world.proxmox.control("storage-offline", storage="local")
        object.__setattr__(settings, "busy_patience", type(settings.busy_patience)(0))
        world.drain()

    found = world.operations()[-1]
    assert (found.id, found.state, found.lock) == (operation.id, "failed", None)
    with world.context.database.open() as session:
        assert session.scalars(select(Mail)).all() == []
        assert "ended" in session.scalars(select(AuditEntry.action)).all()


def test_secret_that_cannot_be_opened_is_told_and_the_operation_waits(world: worlds.World) -> None:
    operation = started(world)
    with world.context.database.begin() as session:
        server = session.scalars(select(Server)).one()
        kept, server.sealed_secret = server.sealed_secret, b"gAAAAABoxxxx"

    engine.advance(world.context, operation.id)

    found = world.operations()[-1]
    assert (found.state, found.lease_owner) == ("running", None)
    assert "PUQ_BACKUPS_KEYS lacks the key" in str(found.why)
    assert "PUQ_BACKUPS_KEYS lacks the key" in str(world.call("ClientArea")["vars"]["operation"]["reason"])
    with world.context.database.begin() as session:
        session.scalars(select(Server)).one().sealed_secret = kept
    due_again(world)
    world.drain()
    assert world.operations()[-1].state == "done"


def test_lost_key_is_mended_by_the_hosts_next_call(world: worlds.World) -> None:
    with world.context.database.begin() as session:
        session.scalars(select(Server)).one().sealed_secret = b"gAAAAABoxxxx"

    assert world.backups.call("ChangePackage", world.params()) == "success"

    assert world.back_up().size


@pytest.mark.databases
@pytest.mark.flow
def test_backup_to_a_storage_without_limit(world: worlds.World) -> None:
    """A mount of an object store reports 16 EiB, which fits no BIGINT."""
    world.proxmox.control("storage-config", storage="local", total=SIXTEEN_EIB)

    assert archives.storage_status(world.client, "pve1", "local").total == 2**63 - 1
    assert world.back_up().size
