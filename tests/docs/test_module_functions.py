"""docs/module-functions.md has each module function, its params and the product settings, and no others."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from puq_backups.rules.package import CHOICES, OPTIONS

from .docs_pages import loaded, page, read_by, rows


def test_module_functions_are_written_down_and_no_others() -> None:
    named = {row for row, cells in rows("module-functions").items() if len(cells) == 3 and row != "function"}

    assert named == set(loaded().functions)


@pytest.mark.parametrize("name", loaded().functions)
def test_module_function_is_written_down_with_what_it_reads(name: str) -> None:
    _, reads, _ = rows("module-functions")[name]

    assert read_by(loaded().functions[name]) <= set(re.findall(r"`(\w+)`", reads))


def test_params_are_written_down() -> None:
    given, packages = import_module("puq_backups.accounts.params"), import_module("puq_backups.rules.package")

    read = {*read_by(given), *read_by(packages), *given.CLIENT_FIELDS}

    assert len(read) > 12
    assert read - set(re.findall(r"`(\w+)`", page("module-functions"))) == set()


def test_product_settings_are_written_down_in_their_order() -> None:
    table = rows("module-functions")
    titles = [table[str(position)][0].strip("`") for position in range(1, len(OPTIONS) + 1)]

    assert titles == [title for title, _ in OPTIONS]
    for position, (_, name) in enumerate(OPTIONS, 1):
        assert set(CHOICES.get(name, ())) <= set(re.findall(r"`([^`]+)`", table[str(position)][1]))
