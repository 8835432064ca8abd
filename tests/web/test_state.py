"""`/state`: the keys and types that scripts build on, and what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event
from support import world as worlds

from puq_backups.clock import tick
from puq_backups.inventory import service_backups
from puq_backups.models import Backup, now
from puq_backups.operations import engine

from .conftest import Door

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
EVERY_DAY = {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "03:00" for day in range(7)}
MOST_QUERIES = 8


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


def test_state_of_a_new_service(door: Door) -> None:
    state = door.state()

    assert set(state) == KEYS
    assert state["vm"] == {"name": "web100", "status": "unknown"} or state["vm"]["status"] in {"running", "stopped"}
    assert state["quota"] == {"used": 0, "limit": 3}
    assert (state["locked"], state["lock_reason"], state["restore_failed"]) == (False, None, False)
    assert (state["operation"], state["last_operation"], state["next_run"]) == (None, None, None)
    assert (state["backups"], state["next_removal"]) == ([], [])
    assert state["schedule"]["timezone"] == "UTC"
    assert [day["day"] for day in state["schedule"]["days"]] == list(range(7))
    assert all(set(day) == {"day", "enabled", "time"} for day in state["schedule"]["days"])


def test_state_of_a_backup_that_is_there(door: Door) -> None:
    door.world.call("SaveSchedule", timezone="UTC", **EVERY_DAY)
    door.world.back_up("a note")
    state = door.state()

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


def test_state_of_operations_that_run_and_wait(door: Door) -> None:
    world = door.world
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    with world.backups.vm_action("1"):
        door.post("/create")
        waiting = door.state()["operation"]
    tick.start_waiting(world.context)
    world.proxmox.until(lambda: step(world) and world.proxmox.tasks("vzdump"))
    running = door.state()

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


def test_state_says_which_backups_the_next_run_removes(door: Door) -> None:
    door.world.call("SaveSchedule", timezone="UTC", **EVERY_DAY)
    oldest, *_ = [door.world.back_up() for _ in range(3)]

    assert door.state()["next_removal"] == [oldest.id]


def test_state_of_a_missing_backup(door: Door) -> None:
    backup = door.world.back_up()
    with door.world.context.database.begin() as session:
        session.get_one(Backup, backup.id).missing_at = now()
    state = door.state()

    assert (state["backups"][0]["missing"], state["backups"][0]["restorable"]) == (True, False)
    assert state["quota"]["used"] == 0


def test_unchanged_state_is_304_without_a_body(door: Door) -> None:
    first = door.get("/state")
    tag = first.headers["ETag"]

    again = door.get("/state", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)

    door.world.back_up()
    changed = door.get("/state", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert changed.headers["Cache-Control"] == "private, no-cache"


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


def test_page_asks_the_database_as_often_at_100_backups_as_at_1(door: Door) -> None:
    world, counts = door.world, []
    world.call("SaveSchedule", timezone="UTC", **EVERY_DAY)
    world.back_up()
    for more in (0, 99):
        add_backups(world, more)
        for path in ("/", "/state"):
            with queries(world) as seen:
                assert door.get(path).status_code == 200
            counts.append(len(seen))
            assert len(seen) <= MOST_QUERIES, seen
    with world.context.database.open() as session:
        assert len(service_backups.load_inventory(session, world.service()).backups) == 100

    assert len(set(counts)) == 1, counts


def test_page_of_a_waiting_retry_after_a_failed_restore_stays_within_its_queries(door: Door) -> None:
    world, backup = door.world, door.world.back_up()
    world.proxmox.control("archive-damaged", volid=backup.volid)
    world.call("RestoreBackup", backup_id=backup.id, confirm="web100")
    world.drain()
    failed = world.operations()[-1]
    with world.backups.vm_action("2"), queries(world) as seen:
        door.get()
        assert len(seen) <= MOST_QUERIES, seen
    answer = door.post(f"/operations/{failed.id}/retry")
    assert answer.status_code == 303

    with queries(world) as seen:
        assert door.get().status_code == 200
    assert len(seen) <= MOST_QUERIES, seen
    world.drain()
