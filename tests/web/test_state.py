"""`/state`: the keys and types that scripts build on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support import world as worlds

from puq_backups.models import Backup, now
from puq_backups.operations import dispatch, engine

from .client_pages import SCHEDULE, ClientPages

KEYS = {
    "vm", "quota", "protection", "locked", "lock_reason", "restore_failed", "operation", "last_operation", "backups",
    "listing", "schedule", "next_run", "next_removal", "next_outcome", "next_reason",
}  # fmt: skip
OPERATION = {"id": str, "kind": str, "state": str, "step": str}
BACKUP = {
    "id": str, "created_at": str, "note": str, "kind": str, "kept": bool, "missing": bool, "restorable": bool,
    "damaged": bool,
}  # fmt: skip
SOMETIMES = {"size", "verified", "binned_until"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
"""The next run is the day after tomorrow's, whatever the time: a backup of today does not make it superfluous."""


def types_of(found: dict[str, Any], wanted: dict[str, type]) -> None:
    for name, kind in wanted.items():
        assert type(found[name]) is kind, name


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


@pytest.mark.flow
def test_state_of_operations_that_run_and_wait(pages: ClientPages) -> None:
    world = pages.world
    world.proxmox.control("slow-backup", vmid=100, seconds=1)
    with world.backups.vm_action("1"):
        pages.post("/create")
        waiting = pages.state()["operation"]
    dispatch.start_waiting(world.context)
    world.proxmox.until(lambda: step(world) and world.proxmox.tasks("vzdump"))
    running = pages.state()

    assert (waiting["state"], waiting["queue_position"], waiting["progress"]) == ("waiting", 1, None)
    assert (running["operation"]["state"], running["operation"]["queue_position"]) == ("running", None)
    assert running["operation"]["progress"] is None or 0 <= running["operation"]["progress"] <= 100
    assert running["locked"] is True
    assert running["lock_reason"] == "You cannot start, stop or restore until this backup is done."
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
