"""Values of Proxmox's answers: read where they come in, so that nothing later meets one that it cannot hold."""

from __future__ import annotations

from typing import Any

import pytest

from puq_backups.pve import values

SIXTEEN_EIB = 2**64 - 4096


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (0, 0), (5, 5), ("5", 5), (" 7 ", 7), (5.9, 5), (2**63 - 1, 2**63 - 1), (str(2**63 - 1), 2**63 - 1),
        (2**63, 2**63 - 1), (SIXTEEN_EIB, 2**63 - 1), (1.84467440737096e19, 2**63 - 1), ("9" * 5000, 2**63 - 1),
        (float("inf"), 2**63 - 1), (True, 1), (-1, None), ("-1", None), (-0.5, None), (None, None), ("", None),
        ("many", None), (float("nan"), None), ([], None), ({}, None), ("²", None),
    ],
)  # fmt: skip
def test_size_is_a_number_that_every_database_holds(raw: Any, read: int | None) -> None:
    assert values.size(raw) == read
    assert values.number(raw) == (read or 0)


@pytest.mark.parametrize(
    ("raw", "on"), [(1, True), ("1", True), (True, True), (0, False), ("0", False), (None, False)]
)
def test_flag(raw: Any, on: bool) -> None:
    assert values.flag(raw) is on


def test_text_is_one_line_that_every_database_takes() -> None:
    assert values.text("a\0b\nc\ud800", 10) == "ab c?"
    assert values.text("x" * 300, 255) == "x" * 255
    assert values.text(None, 5) == ""
