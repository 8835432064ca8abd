"""One row that cannot be handled, in each table in turn: everything else is done, and staff are told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from support import services
from support import world as worlds

from puq_backups.clock import periodic, tick
from puq_backups.mail import delivery
from puq_backups.models import (
    Backup,
    Chore,
    EmailTemplate,
    HiddenVolume,
    Mail,
    Operation,
    Server,
    Service,
    SetAside,
    Storage,
    Trouble,
    new_id,
    now,
)
from puq_backups.rules.schedule import Day, Schedule
from puq_backups.simulator import Simulator

from .unreadable_rows import UNREADABLE, make_unreadable

HOUR = timedelta(hours=1)
DAILY = {"zone of a schedule", "data of an operation", "mail"}
CASES = [name if name in DAILY else pytest.param(name, marks=pytest.mark.slow) for name in UNREADABLE]


@pytest.fixture
def world(
    proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox
) -> Iterator[worlds.World]:  # fmt: skip
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="b@provider.example",
        staff_email="staff@provider.example", per_node=10,
    )  # fmt: skip
    found.register(storage="nfs")
    found.register("2", 101, "bob")
    with found.context.database.begin() as session:
        for key, minutes in (("1", 10), ("2", 5)):
            _schedule(session.get_one(Service, key), minutes)
        _rows(session)
    yield found
    found.context.database.engine.dispose()


def _schedule(service: Service, minutes: int) -> None:
    """A slot that is due since so many minutes."""
    at = now() - timedelta(minutes=minutes)
    service.schedule = Schedule("UTC", (Day(True, at.strftime("%H:%M")),) * 7).to_json()
    service.slots_from = at - HOUR
    service.next_run_at, service.next_run_date = at, at.date().isoformat()


def _rows(session: Any) -> None:
    """Insert a row into each table to be made unreadable, and one of Bob's that must be handled."""
    first = session.get_one(Service, "1")
    at = now() - HOUR
    other = Server(hosts="127.0.0.1", port=9, token_id="u@pve!gone", sealed_secret=b"x")
    session.add(other)
    for service_id in ("1", "2"):
        session.add_all([
            Mail(
                event=f"Backup failed {service_id}", service_id=service_id, name="Backup failed",
                folder="backup_failed", recipient=f"{service_id}@example.org", fields={}, state="waiting",
                created_at=at, wake_at=at,
            ),
            Operation(
                service_id=service_id, client_id="x", kind="backup", origin="manual", token=new_id()[:16],
                state="failed", created_at=at, due_at=at, wake_at=at, finished_at=at, data={}, warnings=[],
                slot_date=None,
            ),
        ])  # fmt: skip
    session.add_all([
        Backup(
            service_id="1", server_id=first.server_id, volid="nfs:backup/vzdump-qemu-100-2026_01_01-00_00_00.vma.zst",
            storage="nfs", vmid=100, kind="manual", local_date="2026-01-01", created_at=at, size=5, disks=1,
        ),
        Storage(server_id=first.server_id, name="nfs", seen_at=at),
        Chore(name="purge", due_at=at),
        EmailTemplate(name="Backup failed", locale="de", changed_at=at, subject="x"),
        HiddenVolume(server_id=first.server_id, volid="nfs:backup/x", hidden_at=at),
        Trouble(kind="server", key=first.server_id, server_id=first.server_id, reason={}, since=at, seen_at=at),
        SetAside(work="slot", key="3", service_id="3", reason={}, since=at, again_at=at),
    ])  # fmt: skip


@pytest.mark.parametrize("what", CASES)
@pytest.mark.flow
def test_one_bad_row_stops_nothing_else(world: worlds.World, mailbox: services.Mailbox, what: str) -> None:
    make_unreadable(world, UNREADABLE[what])

    tick.tick(world.context)
    for _ in range(3):
        _advance_bobs(world)
        tick.tick(world.context)

    done = [(one.origin, one.state) for one in world.operations("2")]
    assert ("scheduled", "done") in done, [(one.state, str(one.why)) for one in world.operations("2")]
    assert "2@example.org" in [mail["To"] for mail in mailbox]
    with world.context.database.begin() as session:
        session.execute(update(Chore).where(Chore.name.like("sync %")).values(due_at=now()))
    tick.tick(world.context)
    periodic.sync_server(world.context, world.service("2").server_id, lambda: None)
    with world.context.database.open() as session:
        assert session.scalar(select(Storage.synced_at).where(Storage.name == "local"))
        assert session.scalar(select(Chore.last_run_at).where(Chore.name == "tick"))
    _summary_is_written(world)
    _pages_of_staff_are_drawn(world)


def _advance_bobs(world: worlds.World) -> None:
    from puq_backups.operations import engine

    for operation in world.operations("2"):
        if operation.state in {"running", "stuck"}:
            services.wait_until(lambda key=operation.id: _advanced(world, engine, key), lambda: "Bob's backup")  # type: ignore[misc]  # a default binds the row


def _advanced(world: worlds.World, engine: Any, operation_id: str) -> bool:
    while engine.advance(world.context, operation_id):
        pass
    return next(one for one in world.operations("2") if one.id == operation_id).state not in {"running", "stuck"}


def _summary_is_written(world: worlds.World) -> None:
    with world.context.database.begin() as session:
        session.execute(update(Chore).where(Chore.name == "daily").values(due_at=now()))
    tick.tick(world.context)
    with world.context.database.open() as session:
        assert session.scalar(select(Mail.id).where(Mail.name == "Daily summary"))


def _pages_of_staff_are_drawn(world: worlds.World) -> None:
    world.host.actor = worlds.STAFF
    client = world.app.test_client()
    with world.context.database.open() as session:
        mails = session.scalars(select(Mail.id)).all()
        servers = session.scalars(select(Server.id)).all()
    paths = ["/", "/services", "/operations?state=failed", "/servers", "/outbox", "/activity", "/emails"]
    paths += [f"/outbox/{key}" for key in mails] + [f"/servers/{key}" for key in servers]
    paths += ["/services/1/", "/services/2/", "/services?trouble=other_vm", "/activity.csv"]
    answers = {path: client.get(f"/admin/backups{path}").status_code for path in paths}
    assert {path: status for path, status in answers.items() if status != 200} == {}
    assert client.get("/services/2/backups/").status_code == 200


@pytest.mark.flow
def test_service_that_is_set_aside_is_told_once_shown_and_taken_up_again(
    world: worlds.World, mailbox: services.Mailbox
) -> None:
    make_unreadable(world, UNREADABLE["zone of a schedule"])
    for _ in range(3):
        tick.tick(world.context)
        with world.context.database.begin() as session:
            session.execute(update(SetAside).values(again_at=now()))
    delivery.send_due(world.context)

    told = [mail for mail in mailbox if mail["To"] == "staff@provider.example" and "Left out" in mail["Subject"]]
    assert len(told) == 1
    assert "America/Not_Here_Yet" in told[0].get_body(("plain",)).get_content()
    world.host.actor = worlds.STAFF
    page = world.app.test_client().get("/admin/backups/services/1/").text
    assert "America/Not_Here_Yet" in page
    assert "Support has been told" in world.app.test_client().get("/services/1/backups/").text

    make_unreadable(
        world, "UPDATE puq_backups_service SET schedule = replace(schedule, 'America/Not_Here_Yet', 'UTC')"
    )
    tick.tick(world.context)
    assert [one.origin for one in world.operations("1")][-1] == "scheduled"
    with world.context.database.open() as session:
        assert session.get(SetAside, ("slot", "1")) is None
