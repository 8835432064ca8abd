"""Tests hold on a machine that is busy with something else."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from support.services import ROOT
from support.waiting import PATIENCE, wait_until

LEAST = 60
WAITS = {"wait", "join", "until", "idle", "wait_until_held", "communicate"}
ASKS = {"urlopen", "get", "post", "request", "run", "set_options", "set_default_timeout"}
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def impatient(source: str) -> Iterator[str]:
    """Calls that wait for less than a minute: by a number, or by the argument `timeout`."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        given = [part.value for part in call.keywords if part.arg == "timeout" and name in WAITS | ASKS]
        given += call.args[-1:] if name in WAITS else []
        for number in (part.value for part in given if isinstance(part, ast.Constant)):
            if isinstance(number, int | float) and number < LEAST:
                yield f"{call.lineno}: {ast.unparse(call)}"


def test_every_wait_has_at_least_a_minute() -> None:
    assert PATIENCE >= LEAST
    assert {path.name: found for path in TESTS if (found := list(impatient(path.read_text())))} == {}


@pytest.mark.parametrize("source", ["process.wait(10)", "urlopen(a, timeout=5)", "box.until(lambda: x, 0.5)"])
def test_short_wait_is_found(source: str) -> None:
    assert list(impatient(source))


def test_wait_returns_what_was_looked_for() -> None:
    looks = iter([0, "", [1]])

    assert wait_until(lambda: next(looks), pause=0) == [1]


def test_wait_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.waiting.PATIENCE", 0)

    with pytest.raises(AssertionError, match="not so after 0 s: 2 of 3"):
        wait_until(lambda: False, lambda: "2 of 3")
