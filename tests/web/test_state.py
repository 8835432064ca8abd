"""`/state`: the keys and types that scripts build on, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, Column, String, event, select, update
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.inventory import service_backups
from puq_backups.models import Backup, Service, Storage, now
from puq_backups.models.base import UTCDateTime
from puq_backups.models.json_column import Json
from puq_backups.operations import engine

from .client_pages import ClientPages

KEYS = {
    "vm", "quota", "protection", "locked", "lock_reason", "restore_failed", "operation", "last_operation", "backups",
    "schedule", "next_run", "next_removal", "next_outcome", "next_reason",
}  # fmt: skip
OPERATION = {"id": str, "kind": str, "state": str, "step": str}
BACKUP = {
    "id": str, "created_at": str, "note": str, "kind": str, "kept": bool, "missing": bool, "restorable": bool,
    "damaged": bool,
}  # fmt: skip
SOMETIMES = {"size", "verified", "binned_until"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
LATER = f"{now() + timedelta(days=2):%w}"
SCHEDULE = {f"day_{LATER}": "1"} | {f"time_{day}": "03:00" for day in range(7)} | {"timezone": "UTC"}
"""The next run is the day after tomorrow's, whatever the time: a backup of today does not make it superfluous."""
MOST_QUERIES = 8
MOST_QUERIES_UNCHANGED = 2


def types_of(found: dict[str, Any], wanted: dict[str, type]) -> None:
    for name, kind in wanted.items():
        assert type(found[name]) is kind, name


@contextmanager
def queries(world: worlds.World) -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("PRAGMA"):
            seen.append(statement)

    event.listen(world.context.database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(world.context.database.engine, "before_cursor_execute", note)


def test_state_of_a_new_service(pages: ClientPages) -> None:
    state = pages.state()

    assert set(state) == KEYS
    assert state["vm"] == {"name": "web100", "status": "unknown"} or state["vm"]["status"] in {"running", "stopped"}
    assert state["quota"] == {"used": 0, "limit": 3}
    assert (state["locked"], state["lock_reason"], state["restore_failed"]) == (False, None, False)
    assert (state["operation"], state["last_operation"], state["next_run"]) == (None, None, None)
    assert (state["backups"], state["next_removal"]) == ([], [])
    assert state["schedule"]["timezone"] == "UTC"
    assert [day["day"] for day in state["schedule"]["days"]] == list(range(7))
    assert all(set(day) == {"day", "enabled", "time"} for day in state["schedule"]["days"])


def test_state_of_a_backup_that_is_there(pages: ClientPages) -> None:
    pages.world.call("SaveSchedule", **SCHEDULE)
    pages.world.back_up("a note")
    state = pages.state()

    [backup] = state["backups"]
    assert set(backup) == {*BACKUP, *SOMETIMES}
    types_of(backup, BACKUP)
    assert (type(backup["size"]), backup["kind"], backup["note"]) == (int, "manual", "a note")
    assert MOMENT.fullmatch(backup["created_at"])
    last = state["last_operation"]
    assert set(last) == {
        *OPERATION,
        "progress",
        "bytes",
        "seconds_left",
        "queue_position",
        "expected_start",
        "reason",
    }
    types_of(last, OPERATION)
    assert (last["kind"], last["state"], last["queue_position"]) == ("backup", "done", None)
    assert state["quota"]["used"] == 1
    assert MOMENT.fullmatch(state["next_run"])


def test_state_of_operations_that_run_and_wait(pages: ClientPages) -> None:
    world = pages.world
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    with world.backups.vm_action("1"):
        pages.post("/create")
        waiting = pages.state()["operation"]
    tick.start_waiting(world.context)
    world.proxmox.until(lambda: step(world) and world.proxmox.tasks("vzdump"))
    running = pages.state()

    assert (waiting["state"], waiting["queue_position"], waiting["progress"]) == ("waiting", 1, None)
    assert (running["operation"]["state"], running["operation"]["queue_position"]) == ("running", None)
    assert running["operation"]["progress"] is None or 0 <= running["operation"]["progress"] <= 100
    assert running["locked"] is True
    assert running["lock_reason"] == "A backup is being made; other actions wait until it is done."
    assert running["quota"]["used"] == 1
    world.drain()


def step(world: worlds.World) -> bool:
    for operation in world.operations():
        engine.advance(world.context, operation.id)
    return True


def test_state_says_which_backups_the_next_run_removes(pages: ClientPages) -> None:
    pages.world.call("SaveSchedule", **SCHEDULE)
    oldest, *_ = [pages.world.back_up() for _ in range(3)]

    assert pages.state()["next_removal"] == [oldest.id]


def test_state_of_a_missing_backup(pages: ClientPages) -> None:
    backup = pages.world.back_up()
    with pages.world.context.database.begin() as session:
        session.get_one(Backup, backup.id).missing_at = now()
    state = pages.state()

    assert (state["backups"][0]["missing"], state["backups"][0]["restorable"]) == (True, False)
    assert state["quota"]["used"] == 0


def test_unchanged_state_is_304_without_a_body(pages: ClientPages) -> None:
    first = pages.get("/state")
    tag = first.headers["ETag"]

    again = pages.get("/state", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)

    pages.world.back_up()
    changed = pages.get("/state", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert changed.headers["Cache-Control"] == "private, no-cache"


def test_unchanged_state_costs_two_queries(pages: ClientPages) -> None:
    pages.world.back_up()
    tag = pages.get("/state").headers["ETag"]

    with queries(pages.world) as seen:
        assert pages.get("/state", headers={"If-None-Match": tag}).status_code == 304

    assert len(seen) <= MOST_QUERIES_UNCHANGED, seen


NOT_SHOWN = {"id", "service_id", "server_id", "token", "client_id", "active_vmid"}


def another(column: Column[Any], value: Any) -> Any:
    """Another value for a column."""
    if isinstance(column.type, Json):
        return {**(value or {}), "text": "another"}
    if isinstance(column.type, UTCDateTime):
        return (value or now()) + timedelta(seconds=1)
    if isinstance(column.type, String):
        return f"{value or ''}-"
    return not value if isinstance(column.type, Boolean) else (value or 0) + 1


@contextmanager
def changed(world: worlds.World, column: Column[Any]) -> Iterator[None]:
    """Another value in a column of all rows meanwhile, by an UPDATE that goes past the session."""
    with world.context.database.begin() as session:
        value = session.scalar(select(column).limit(1))
        session.execute(update(column.table).values({column: another(column, value)}))
    yield
    with world.context.database.begin() as session:
        session.execute(update(column.table).values({column: value}))


def test_what_changes_the_state_changes_its_tag(pages: ClientPages) -> None:
    pages.world.call("SaveSchedule", **SCHEDULE)
    pages.world.back_up("a note")
    with pages.world.context.database.begin() as session:
        session.delete(session.get_one(Service, "2"))
    # A value that no service can have ends as 500, which is no "unchanged" either.
    pages.world.app.config["PROPAGATE_EXCEPTIONS"] = False
    before, unseen = pages.get("/state"), []
    columns = [column for model in (Service, Backup, Storage) for column in model.__table__.columns]
    for column in (one for one in columns if one.name not in NOT_SHOWN):
        with changed(pages.world, column):
            answer = pages.get("/state", headers={"If-None-Match": before.headers["ETag"]})
            if answer.status_code == 304 and pages.state() != before.get_json():
                unseen.append(str(column))

    assert pages.get("/state", headers={"If-None-Match": before.headers["ETag"]}).status_code == 304
    assert unseen == []


def add_backups(world: worlds.World, count: int) -> None:
    with world.context.database.begin() as session:
        for number in range(count):
            session.add(
                Backup.of(
                    world.service(), volid=f"local:backup/{number}.vma.zst", storage="local", node="pve1",
                    kind="manual", note="", disks=1, size=1,
                    local_date="2026-01-01", created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number),
                    seen_at=now(),
                )
            )  # fmt: skip


def test_page_asks_the_database_as_often_at_100_backups_as_at_1(pages: ClientPages) -> None:
    world, counts = pages.world, []
    world.call("SaveSchedule", **SCHEDULE)
    world.back_up()
    for more in (0, 99):
        add_backups(world, more)
        for path in ("/", "/state"):
            with queries(world) as seen:
                assert pages.get(path).status_code == 200
            counts.append(len(seen))
            # The fingerprint is one more.
            assert len(seen) <= MOST_QUERIES + (path == "/state"), seen
    with world.context.database.open() as session:
        assert len(service_backups.load_inventory(session, world.service()).backups) == 100

    assert counts[:2] == counts[2:], counts


def test_page_of_a_waiting_retry_after_a_failed_restore_stays_within_its_queries(pages: ClientPages) -> None:
    world, backup = pages.world, pages.world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    failed = world.operations()[-1]
    with world.backups.vm_action("2"), queries(world) as seen:
        pages.get()
        assert len(seen) <= MOST_QUERIES, seen
    answer = pages.post(f"/operations/{failed.id}/retry")
    assert answer.status_code == 303

    with queries(world) as seen:
        assert pages.get().status_code == 200
    assert len(seen) <= MOST_QUERIES, seen
    world.drain()
