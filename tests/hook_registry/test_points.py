"""Every hook point is run by the code, with the very arguments that its specification names."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from operations.reinstall import failed_restore
from support import services
from support import world as worlds
from support.world import ALICE

from puq_backups.clock import slots
from puq_backups.hook_registry import points
from puq_backups.mail import template_editing
from puq_backups.simulator import Simulator

POINTS = {point: spec for point, spec in vars(points).items() if inspect.isfunction(spec)}
REFUSING = {"PreBackup", "PreRestore", "PreRemove", "PreReinstall"}
STOPPED = {"abortcmd": True, "reason": "Not in August."}


@pytest.fixture
def world(
    proxmox: Simulator, sqlite_url: str, redis_url: str, mailbox: services.Mailbox
) -> Iterator[worlds.World]:  # fmt: skip
    found = worlds.make(
        proxmox, sqlite_url, redis_url, smtp_url=mailbox.url, mail_from="Backups <backups@provider.example>"
    )
    yield found
    found.context.database.engine.dispose()


class Listener(defaultdict[str, list[dict[str, Any]]]):
    """What each point was run with; while `stop` is set, those that may refuse an operation do."""

    def __init__(self, world: worlds.World) -> None:
        super().__init__(list)
        self.stop = False
        for point in POINTS:
            world.backups.hooks.add(point, self._hook(point))

    def _hook(self, point: str) -> Any:
        def told(**given: Any) -> dict[str, Any] | None:
            self[point].append(given)
            return STOPPED if self.stop and point in REFUSING else None

        return told


def live(world: worlds.World) -> None:
    """A service's life from its first day to its last, each command once taken and once not."""
    hosted, nowhere = world.backups.vm_command, {"serviceid": "nowhere"}
    world.register()
    for function in ("CreateAccount", "SuspendAccount", "UnsuspendAccount", "ChangePackage", "TerminateAccount"):
        assert world.backups.call(function, nowhere) != "success"
        assert world.backups.call(function, world.params()) == "success"
    assert world.backups.call("UnsuspendAccount", world.params()) == "success"
    with hosted("ChangePassword", world.params()):
        pass
    with pytest.raises(OSError, match="none"), hosted("ChangePassword", world.params()):
        raise OSError("none")


def operate(world: worlds.World, listener: Listener) -> None:
    """Each kind of operation once done and once refused by a hook."""
    backup = world.back_up()
    wishes = {
        "BackupNow": {}, "RestoreBackup": {"backup_id": backup.id, "confirm": "web100"},
        "RemoveBackup": {"backup_id": backup.id},
    }  # fmt: skip
    for listener.stop in (True, False):
        for function, fields in wishes.items():
            assert world.call(function, **fields) == "success"
            world.drain()
    assert world.call("RemoveBackup", backup_id=backup.id) != "success"


def reinstall(world: worlds.World, listener: Listener) -> None:
    """After a failed restore; refused by a hook, then done."""
    failed_restore.register(world, template=9000)
    failed_restore.fail_restore(world)
    for listener.stop, state in ((True, "refused"), (False, "done")):
        assert failed_restore.run_reinstall(world).state == state


def visit(world: worlds.World) -> None:
    """The page, the form of a mail's text, and a tick of the clock, which sends the mails."""
    world.host.actor = ALICE
    assert world.app.test_client().get("/services/1/backups/").status_code == 200
    template_editing.hook_fields(world.context, world.backups.hooks.emails[0])
    assert world.app.test_cli_runner().invoke(args=["backups", "tick"]).exit_code == 0


@pytest.mark.flow
def test_each_point_is_run_with_its_arguments_and_each_operation_told_once(world: worlds.World) -> None:
    listener = Listener(world)
    live(world)
    operate(world, listener)
    reinstall(world, listener)
    visit(world)

    assert set(POINTS) - set(listener) == set()
    for point, spec in POINTS.items():
        names = {*inspect.signature(spec).parameters, "context"}
        for given in listener[point]:
            assert set(given) == names, point

    ended = [point for point in POINTS if point.startswith("After") and "operation_id" in listener[point][0]]
    told = [given["operation_id"] for point in ended for given in listener[point]]
    assert sorted(told) == sorted(operation.id for operation in world.operations() if operation.started_at)
    for kind in ("Backup", "Restore", "Remove", "Reinstall"):
        [failed] = listener[f"After{kind}Failed"]
        assert (failed["state"], failed["reason"]) == ("refused", "Not in August.")


@pytest.mark.flow
def test_slots_that_never_started_are_told_with_their_reason(world: worlds.World) -> None:
    """Missed and refused ones; a skipped slot has its backup."""
    week = (
        {f"day_{day}": "1" for day in range(7)} | {f"time_{day}": "12:00" for day in range(7)} | {"timezone": "UTC"}
    )
    with time_machine.travel(datetime(2026, 11, 29, 10, tzinfo=UTC)) as clock:
        world.register(backups=1)
        assert world.call("SaveSchedule", **week) == "success"
        kept = world.back_up()
        assert world.call("KeepBackup", backup_id=kept.id, kept="1") == "success"
        listener = Listener(world)
        for day in (29, 30, 33):
            clock.move_to(datetime(2026, 11, 1, 12, 1, tzinfo=UTC) + timedelta(days=day - 1))
            slots.claim_due(world.context)
            world.drain()

    slotted = [(one.slot_date, one.state) for one in world.operations() if one.slot_date]
    assert sorted(slotted) == [
        ("2026-11-29", "skipped"), ("2026-11-30", "refused"), ("2026-12-01", "missed"), ("2026-12-02", "missed"),
        ("2026-12-03", "refused"),
    ]  # fmt: skip
    told = [(given["state"], given["reason"]) for given in listener["AfterBackupFailed"]]
    assert [state for state, _ in told] == ["refused", "missed", "missed", "refused"]
    assert "are kept, so none can make room" in told[0][1]
    assert told[1][1] == "It did not start within 12 hours."
