"""What a backup writes to the database: as few statements as crash safety allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import world as worlds

from bench import calls, counting
from puq_backups.operations import dispatch, engine


@pytest.mark.parametrize(("quota", "most"), [(3, 14), (2, 22)], ids=["a place is free", "the oldest goes"])
def test_statements_that_write_for_a_scheduled_backup(tmp_path: Path, quota: int, most: int) -> None:
    made, writes = calls.scheduled(tmp_path / "scheduled", quota)

    assert made["POST /nodes/{node}/vzdump"] == 1
    assert writes <= most


def test_step_that_changed_nothing_is_committed_with_the_next_one(world: worlds.World) -> None:
    world.register()
    world.back_up()
    assert world.call("BackupNow") == "success"
    operation = world.operations()[-1]
    dispatch.start_waiting(world.context)

    with counting.counted(world.context.database.engine) as cost:
        engine.run(world.context, operation.id)

    steps = [one for one in cost.statements if one.startswith("UPDATE puq_backups_operation") and "step=?" in one]
    assert world.operations()[-1].step == "make_archive"
    assert world.operations()[-1].upid
    # The first one has stored what it saw of the storage; the second had nothing to remove.
    assert ["intent=?" in one for one in steps] == [False, True]


@pytest.mark.flow
def test_what_a_step_stores_after_one_that_was_put_off_is_kept(world: worlds.World) -> None:
    world.register()
    backup = world.back_up()
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100", safety_copy="1") == "success"

    world.drain()

    operation = world.operations()[-1]
    assert (operation.state, operation.data["safety_storage"]) == ("done", "local")
    assert [held.kind for held in world.held()] == ["manual", "safety"]


def test_worker_that_advances_step_by_step_commits_each(world: worlds.World) -> None:
    world.register()
    assert world.call("BackupNow") == "success"
    operation = world.operations()[-1]
    dispatch.start_waiting(world.context)

    seen = []
    while not world.operations()[-1].upid:
        seen.append(world.operations()[-1].step)
        engine.advance(world.context, operation.id)

    assert seen == ["check", "make_room", "make_archive"]
