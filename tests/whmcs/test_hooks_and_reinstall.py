"""Hooks around module functions, and the host's own reinstallation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import world as worlds
from support.world import ALICE

from puq_backups import Refused

NO_DICTS = [True, "abort", ["abortcmd"], 7]


def answering(odd: Any) -> Callable[[], Any]:
    return lambda: odd


@pytest.mark.parametrize("point", ["PreModuleCreate", "PreBackup", "ClientAreaPage", "PreRestore"])
def test_hook_that_answers_no_dict_is_logged_and_stops_nothing(
    world: worlds.World, point: str, caplog: pytest.LogCaptureFixture
) -> None:
    for odd in NO_DICTS:
        world.backups.hooks.add(point, answering(odd))

    world.register()
    backup = world.back_up()
    assert world.backups.call("ClientArea", {"serviceid": 1}, actor=ALICE)["vars"]["backups"]
    assert world.call("RestoreBackup", backup_id=backup.id, confirm="web100") == "success"
    world.drain()

    assert world.operations()[-1].state == "done"
    for odd in NO_DICTS:
        assert f"a hook at {point} answered {type(odd).__name__}" in caplog.text


def test_create_account_is_stopped_and_changed_by_hooks(world: worlds.World) -> None:
    world.backups.hooks.add("PreModuleCreate", lambda params: {"userid": f"new-{params['userid']}"})
    world.register()
    assert world.service().client_id == "new-alice"

    world.backups.hooks.add("PreModuleCreate", lambda: {"abortcmd": True, "reason": "Not in August."})
    assert world.backups.call("CreateAccount", world.params()) == "Not in August."


def test_hook_that_raises_stops_create_account_without_telling_why(
    world: worlds.World, caplog: pytest.LogCaptureFixture
) -> None:
    def failing() -> None:
        raise ValueError("the host's own fault")

    world.backups.hooks.add("PreModuleCreate", failing)

    answer = world.backups.call("CreateAccount", world.params("2", 101, "bob", storage="nfs"))

    assert "the log has the details" in answer
    assert "own fault" not in answer
    assert "own fault" in caplog.text


def test_reinstall_clicked_twice_calls_the_host_once(world: worlds.World) -> None:
    answers: list[str] = []

    def reinstall(service: Any) -> None:
        # The second click comes while the host is at work.
        answers.append(world.call("Reinstall", confirm="REINSTALL"))
        with pytest.raises(Refused), world.backups.vm_action(service.id):
            pass

    world.host.reinstall = reinstall  # type: ignore[attr-defined]  # optional in a host
    with world.context.database.begin() as session:
        session.get_one(worlds.Service, "1").restore_failed = "o"

    assert world.call("Reinstall", confirm="REINSTALL") == "success"
    assert answers == ["Another action on this server is running."]
    assert world.call("Reinstall", confirm="REINSTALL") == "There is no failed restore."
    with world.backups.vm_action("1"):
        pass


def test_reinstall_that_fails_can_be_asked_for_again(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    def reinstall(service: Any) -> None:
        raise OSError("no template on " + service.id)

    world.host.reinstall = reinstall  # type: ignore[attr-defined]  # optional in a host
    with world.context.database.begin() as session:
        session.get_one(worlds.Service, "1").restore_failed = "o"

    for _ in range(2):
        answer = world.call("Reinstall", confirm="REINSTALL")
        assert answer == "The reinstallation failed. Please ask the provider's support."
    assert "no template on 1" in caplog.text
    assert world.service().restore_failed == "o"
