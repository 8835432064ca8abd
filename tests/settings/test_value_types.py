"""Types of settings: durations and the list of types that can be read."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from puq_backups.config import Settings
from puq_backups.settings.value_types import READERS, duration


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (timedelta(minutes=2), 120), (0, 0), (90, 90), (0.5, 0.5), ("90", 90), ("90s", 90), ("15m", 900),
        ("12h", 43200), ("7d", 604800), (" 1.5 m ", 90), ("0", 0),
    ],
)  # fmt: skip
def test_duration_reads_seconds_and_units(raw: Any, seconds: float) -> None:
    assert duration(raw) == timedelta(seconds=seconds)


@pytest.mark.parametrize("raw", ["", "h", "-5m", "5 m 3s", "1e3", None, False, timedelta(seconds=-1), -0.1, [5]])
def test_duration_refuses_all_else(raw: Any) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(str(raw))}$"):
        duration(raw)


def test_every_setting_is_of_a_kind_that_can_be_read() -> None:
    assert {str(field.type) for field in fields(Settings)} == set(READERS)
