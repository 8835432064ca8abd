"""The page has the table of the cases."""

from __future__ import annotations

from puq_backups.operations import reinstall, restore

from . import reinstalls, restores
from .page import expected, on_the_page


def test_page_has_the_table() -> None:
    assert on_the_page() == expected(), "make cases prints it"


def test_each_step_has_cases() -> None:
    # The safety copy's steps are the same functions in both.
    for cases, steps in (
        (restores.CASES, restore.STEPS),
        ((*restores.CASES, *reinstalls.CASES), reinstall.STEPS),
    ):
        assert {step.__name__ for step in steps} - {step for case in cases for step in case.steps} == set()
