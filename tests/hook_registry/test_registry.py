"""Hooks: in the order of their priorities, checked when they are registered, and what an error in one means."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

import pytest

from puq_backups.errors import HookError
from puq_backups.hook_registry import points
from puq_backups.hook_registry.registry import Hooks


def answering(answer: Any) -> Callable[[], Any]:
    return lambda: answer


def failing() -> None:
    raise ValueError("a fault of the host")


def test_run_gives_the_answers_that_are_not_none() -> None:
    hooks = Hooks()
    for answer in (None, {}, 0, "yes"):
        hooks.add("AfterBackup", answering(answer))

    assert hooks.run("AfterBackup") == [{}, 0, "yes"]


def test_run_goes_by_priority_then_by_order_of_registration() -> None:
    hooks = Hooks()
    for name, priority in (("third", 0), ("fifth", 7), ("first", -100), ("fourth", 0), ("second", -1)):
        hooks.add("AfterBackup", answering(name), priority)

    assert hooks.run("AfterBackup") == ["first", "second", "third", "fourth", "fifth"]


def test_run_hands_over_only_what_a_hook_names() -> None:
    hooks = Hooks()
    hooks.add("AfterBackup", lambda backup_id: backup_id)
    hooks.add("AfterBackup", lambda operation_id, service_id: (service_id, operation_id))

    assert hooks.run("AfterBackup", service_id="1", operation_id="o", backup_id="b") == ["b", ("1", "o")]


def test_run_without_hooks_gives_nothing() -> None:
    assert Hooks().run("AfterBackup", service_id="1", operation_id="o", backup_id="b") == []


@pytest.mark.parametrize("point", ["AfterBackups", "annotations", "Any", "", "__doc__"])
def test_unknown_point_is_refused_at_registration_and_at_run(point: str) -> None:
    with pytest.raises(HookError, match=rf"no hook point {point} \({__name__}\.failing\)"):
        Hooks().add(point, failing)
    with pytest.raises(HookError, match=f"no hook point {point}"):
        Hooks().run(point)


def test_misspelt_argument_is_refused_with_what_the_point_gives() -> None:
    def told(service: str) -> None: ...

    with pytest.raises(HookError) as caught:
        Hooks().add("AfterBackup", told)

    assert "told asks for service, which AfterBackup does not give" in str(caught.value)
    assert "backup_id, operation_id, service_id" in str(caught.value)


def test_argument_at_a_point_without_any_is_refused() -> None:
    with pytest.raises(HookError, match=r"it gives: nothing\."):
        Hooks().add("PreCronJob", lambda context: context)


@pytest.mark.parametrize("priority", ["10", None, 1.5])
def test_priority_that_is_no_whole_number_is_refused(priority: Any) -> None:
    with pytest.raises(HookError, match=r"^The priority of .*failing is not a whole number\.$"):
        Hooks().add("AfterBackup", failing, priority)


def test_hook_that_takes_any_argument_is_given_all() -> None:
    hooks = Hooks()
    hooks.add("AfterBackup", lambda backup_id, **more: (backup_id, more))

    assert hooks.run("AfterBackup", service_id="1", operation_id="o", backup_id="b") == [
        ("b", {"service_id": "1", "operation_id": "o"})
    ]


def test_argument_that_a_run_leaves_out_has_the_default_of_its_point() -> None:
    """A host runs the point of its own action with `params` alone."""
    hooks = Hooks()
    hooks.add("PreModuleCustom", lambda params, function, own: (params, function, own))

    assert hooks.run("PreModuleCustom", params={"serviceid": 1}) == [({"serviceid": 1}, "", False)]
    assert hooks.run("PreModuleCustom", params={}, function="BackupNow", own=True) == [({}, "BackupNow", True)]


POINTS = {point: spec for point, spec in vars(points).items() if inspect.isfunction(spec)}

TOLD = sorted(point for point in POINTS if not point.startswith("Pre") or point == "PreCronJob")


@pytest.mark.parametrize("point", TOLD)
def test_error_of_a_hook_that_is_told_is_logged_and_the_next_runs(
    point: str, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = Hooks()
    hooks.add(point, failing)
    hooks.add(point, answering("the next"), priority=1)

    with caplog.at_level(logging.ERROR):
        assert hooks.run(point) == ["the next"]

    assert f"hook {__name__}.failing at {point} failed" in caplog.text
    assert "a fault of the host" in caplog.text


PRE = sorted(point for point, spec in POINTS.items() if point.startswith("Pre") and point != "PreCronJob")


@pytest.mark.parametrize("point", PRE)
def test_error_of_a_hook_that_may_refuse_is_raised(point: str) -> None:
    hooks = Hooks()
    hooks.add(point, failing)

    with pytest.raises(ValueError, match="a fault of the host"):
        hooks.run(point)
