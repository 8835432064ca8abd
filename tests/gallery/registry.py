"""The states of the Backups page by name. Each is a function that fills a prepared service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from .prepared_host import NOW, PreparedService

STATES: dict[str, Callable[[PreparedService], None]] = {}
QUOTAS: dict[str, int] = {}
BROWSER_STEPS: dict[str, str] = {}
"""The step of a reader before the picture is taken, by state: the name of a function in `browser_steps`."""


def state(
    quota: int = 10, step: str = ""
) -> Callable[[Callable[[PreparedService], None]], Callable[[PreparedService], None]]:
    """Register a state under its function's name, with dashes. `step` names a function of `browser_steps`."""

    def add(function: Callable[[PreparedService], None]) -> Callable[[PreparedService], None]:
        key = function.__name__.replace("_", "-")
        STATES[key], QUOTAS[key] = function, quota
        if step:
            BROWSER_STEPS[key] = step
        return function

    return add


def days(number: float) -> timedelta:
    """A number of days."""
    return timedelta(days=number)


def quiet(prepared: PreparedService, *more: int) -> None:
    """A service without trouble: a schedule, seven backups of ten, one kept."""
    prepared.schedule()
    prepared.nightly(*more, 5, 4, 3, 2, 1, 0)
    prepared.backup(NOW - days(1.7), "before the upgrade of the shop", size=8.3, kept=True)
    prepared.month()
