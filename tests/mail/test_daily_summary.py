"""The day for staff, and the services whose scheduled backups come to nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select, update
from support import services
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.errors import Message
from puq_backups.mail import daily_summary, delivery
from puq_backups.models import Mail, Operation, Service, Storage, new_id, now
from puq_backups.simulator import Simulator

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def world(proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox) -> worlds.World:
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="b@provider.example",
        staff_email="staff@provider.example",
    )  # fmt: skip
    found.register()
    found.register("2", 101, "bob")
    return found


def slot(world: worlds.World, ago: timedelta, state: str, service_id: str = "1", **more: Any) -> None:
    """A scheduled backup that ended so long ago."""
    at = now() - ago
    with world.context.database.begin() as session:
        session.add(
            Operation(
                service_id=service_id, client_id="alice", kind="backup", origin="scheduled", slot_date=new_id()[:10],
                token=new_id()[:16], state=state, created_at=at, due_at=at, wake_at=at, finished_at=at, data={},
                warnings=[], attempts=4, reason=Message("The storage {storage} is offline.", storage="nfs").to_json(),
                **more,
            )
        )  # fmt: skip


@pytest.mark.flow
def test_summary_tells_staff_of_the_day_once(world: worlds.World, mailbox: services.Mailbox) -> None:
    for state, count in (("done", 3), ("failed", 2), ("missed", 1), ("refused", 1)):
        for _ in range(count):
            slot(world, HOUR, state)
    slot(world, 2 * DAY, "failed", "2")
    with world.context.database.begin() as session:
        server = session.get_one(Service, "1").server_id
        session.add(
            Storage(server_id=server, name="tight", seen_at=now(), total=100 * 1024**3, available=9 * 1024**3)
        )
        session.add(Storage(server_id=server, name="roomy", seen_at=now(), total=100, available=90))
        stuck = session.scalars(select(Operation).where(Operation.service_id == "2")).one()
        stuck.state, stuck.finished_at, stuck.started_at = "stuck", None, now() - DAY
        session.add(
            Mail(
                event="x", name="Backup failed", folder="backup_failed", recipient="", state="failed", attempts=6,
                created_at=now(), wake_at=now(), service_id="1", fields={},
            )
        )  # fmt: skip

    with world.context.database.begin() as session:
        session.execute(update(Service).where(Service.id == "1").values(protection="unprotected"))

    world.backups.hooks.run("DailyCronJob")
    world.backups.hooks.run("DailyCronJob")
    assert delivery.send_due(world.context) == 1

    [mail] = mailbox
    assert mail["To"] == "staff@provider.example"
    assert mail["Subject"] == "Backups of the day: 3 made, 2 failed, 1 missed"
    text = mail.get_body(("plain",)).get_content()
    for said in (
        "Refused: 1", "Restores done: 0", "Services without a good backup: 1", "Mails that could not be sent: 1",
        "- Service 1, web100 (Alice Example): The storage nfs is offline.", "Stuck, and locked",
        f"- Service 2, {world.service('2').vm_name}, since", "- tight on 127.0.0.1: 9 GiB of 100 GiB free",
    ):  # fmt: skip
        assert said in text, said
    assert "roomy" not in text
    assert "<ul" in mail.get_body(("html",)).get_content()


def test_first_start_writes_no_summary(world: worlds.World) -> None:
    tick.tick(world.context)

    with world.context.database.open() as session:
        assert session.scalars(select(Mail).where(Mail.name == "Daily summary")).all() == []


def test_summary_comes_each_day_and_leaves_no_gap(world: worlds.World) -> None:
    with time_machine.travel("2026-11-28T10:00:00Z", tick=True) as clock:
        tick.tick(world.context)
        clock.move_to("2026-11-29T10:00:00Z")
        tick.tick(world.context)
        clock.move_to("2026-11-29T23:59:00Z")
        tick.tick(world.context)
        slot(world, HOUR, "failed")
        clock.move_to("2026-12-01T09:00:00Z")
        tick.tick(world.context)
        tick.tick(world.context)

    with world.context.database.open() as session:
        summaries = session.scalars(select(Mail).where(Mail.name == "Daily summary").order_by(Mail.created_at)).all()
    assert [mail.event for mail in summaries] == ["Daily summary 2026-11-29", "Daily summary 2026-12-01"]
    assert summaries[1].fields["since"] == summaries[0].created_at.isoformat()
    assert summaries[1].fields["failed_count"] == 1


def test_lists_of_the_summary_are_cut_and_its_counts_are_not(world: worlds.World) -> None:
    for _ in range(daily_summary.MAX_ROWS + 5):
        slot(world, HOUR, "failed")

    with world.context.database.open() as session:
        facts = daily_summary.collect(session, now() - DAY)
    assert (facts["failed_count"], len(facts["failed"])) == (daily_summary.MAX_ROWS + 5, daily_summary.MAX_ROWS)
