"""Requests of a client: the operation created, refusals, and concurrent requests."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import select
from support import world as worlds
from support.world import ALICE

from puq_backups import Actor, Refused
from puq_backups.client_area import backups, cancel, reinstall, restore, schedule
from puq_backups.errors import BadInput, NotAllowed, NotFound
from puq_backups.host import PERMISSIONS
from puq_backups.models import AuditEntry, Service

EVERY_DAY = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "03:00" for day in range(7)}


def audited(world: worlds.World) -> list[tuple[str, str]]:
    with world.context.database.open() as session:
        rows = session.execute(select(AuditEntry.action, AuditEntry.text).order_by(AuditEntry.at))
        return [(action, text) for action, text in rows]


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (None, ""), ("", ""), ("  a  ", "a"), ("n" * 255, "n" * 255), ("tab\tstays", "tab\tstays"),
        ("{{x}} [puqb]", "{{x}} [puqb]"), ("\n one \r\n", "one"), (7, "7"),
    ],
)  # fmt: skip
def test_note_is_one_line_trimmed(raw: Any, note: str) -> None:
    assert backups.read_note(raw) == note


@pytest.mark.parametrize(
    "raw",
    ["n" * 256, "a\nb", "a\rb", "a\x00b", "a\x1bb", "[puqb:x.y]", "a\x0bb", "a\u2028b", "a\x85b", "a\x7fb", "\ud83d"],
)
def test_note_that_is_no_line_of_text_is_refused(raw: str) -> None:
    with pytest.raises(BadInput) as caught:
        backups.read_note(raw)

    assert caught.value.field == "note"


@pytest.mark.flow
def test_each_request_is_audited_with_its_actor(world: worlds.World) -> None:
    world.host.actor = Actor(client_id="alice", name="Al Sub")
    backup = world.back_up()
    world.call("SaveSchedule", timezone="UTC", **EVERY_DAY)
    world.call("KeepBackup", backup_id=backup.id, kept="1")
    world.call("KeepBackup", backup_id=backup.id, kept=0)
    world.call("RemoveBackup", backup_id=backup.id)
    world.drain()

    told = [(action, text) for action, text in audited(world) if "client alice (Al Sub)" in text]
    assert [action for action, _ in told] == ["backup", "schedule", "keep", "keep", "remove"]
    assert [operation.actor for operation in world.operations()] == ["client alice (Al Sub)"] * 2


def test_kept_may_be_a_number(world: worlds.World) -> None:
    backup = world.back_up()

    assert world.call("KeepBackup", backup_id=backup.id, kept=1) == "success"

    assert world.held()[0].kept
    assert world.proxmox.volumes("local")[0].protected


def test_right_is_asked_for_before_what_was_sent_is_looked_at(world: worlds.World) -> None:
    tools, nobody = world.context, Actor(client_id="alice", permissions=PERMISSIONS & {"view"})
    for request in (
        lambda: backups.back_up_now(tools, "1", nobody, "n" * 999),
        lambda: backups.edit_note(tools, "1", nobody, "nowhere", "two\nlines"),
        lambda: backups.keep(tools, "1", nobody, "nowhere", "2"),
        lambda: restore.retry(tools, "1", nobody, "nowhere"),
        lambda: restore.restore_safety_copy(tools, "1", nobody, "nowhere"),
        lambda: reinstall.reinstall(tools, "1", nobody, "no"),
        lambda: cancel.cancel(tools, "1", nobody, "nowhere"),
        lambda: schedule.save_schedule(tools, "1", nobody, {"day_9": "1"}),
    ):
        with pytest.raises(NotAllowed):
            request()


def test_request_for_a_service_that_is_gone_finds_nothing(world: worlds.World) -> None:
    with pytest.raises(NotFound):
        backups.back_up_now(world.context, "gone", ALICE, "")


@pytest.mark.databases
@pytest.mark.flow
def test_removal_asked_for_by_two_at_once_is_made_once(world: worlds.World) -> None:
    backup = world.back_up()
    barrier, answers = threading.Barrier(4), []

    def ask() -> None:
        barrier.wait()
        answers.append(world.backups.call("RemoveBackup", {"serviceid": 1, "backup_id": backup.id}))

    with world.backups.vm_action("1"):
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    world.drain()

    asked = "This has been asked for already and is about to start."
    assert sorted(answers) == [asked, asked, asked, "success"]
    assert len(world.proxmox.tasks("imgdel")) == 1


@pytest.mark.databases
def test_reinstall_asked_for_by_two_at_once_calls_the_host_once(world: worlds.World) -> None:
    called, barrier, answers = [], threading.Barrier(4), []

    def click() -> None:
        barrier.wait()
        answers.append(world.call("Reinstall", confirm="REINSTALL"))

    world.host.reinstall = lambda service: called.append(service.id)  # type: ignore[attr-defined]  # optional
    with world.context.database.begin() as session:
        session.get_one(Service, "1").restore_failed = "o"
    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert called == ["1"]
    assert answers.count("success") == 1
    assert set(answers) <= {
        "success", "There is no failed restore.", "Another action on this server is running.",
    }  # fmt: skip


def test_reinstall_waits_for_the_hosts_own_action(world: worlds.World) -> None:
    world.host.reinstall = lambda service: None  # type: ignore[attr-defined]  # optional in a host
    with world.backups.vm_action("1"):
        with world.context.database.begin() as session:
            session.get_one(Service, "1").restore_failed = "o"
        with pytest.raises(Refused, match="Another action"):
            reinstall.reinstall(world.context, "1", ALICE, "REINSTALL")

    assert world.service().restore_failed == "o"


def test_restore_is_not_cancelled_once_it_runs(world: worlds.World) -> None:
    backup = world.back_up()
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    operation = world.operations()[-1]
    assert operation.state == "running"

    assert "cutting it short could do harm" in world.call("CancelOperation", operation_id=operation.id)
    world.drain()

    assert world.operations()[-1].state == "done"


def test_schedule_is_saved_while_a_backup_waits(world: worlds.World) -> None:
    with world.backups.vm_action("1"):
        world.call("BackupNow")
        assert world.call("SaveSchedule", timezone="UTC", **EVERY_DAY) == "success"

    assert world.service().next_run_at
    world.drain()
