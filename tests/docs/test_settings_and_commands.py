"""docs/settings.md and docs/commands.md have each setting and command, with defaults and options, and no others."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from puq_backups.config import PREFIX, Settings

from .docs_pages import COMMANDS, everything, rows


def shown(value: Any) -> str:
    """A default as the page writes it."""
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
        return next(
            f"{seconds // size}{unit}" for unit, size in units.items() if seconds > size and not seconds % size
        )
    return ", ".join(shown(part) for part in value) if isinstance(value, tuple) else str(value)


def normal(text: str) -> str:
    """A duration in seconds, so that 60s and 1m, 24h and 1d are the same."""
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return re.sub(r"\b(\d+)([smhd])\b", lambda found: str(int(found[1]) * units[found[2]]), text)


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_setting_is_written_down_with_its_default(setting: Any) -> None:
    default, kind, effect = rows("settings")[PREFIX + setting.name.upper()]

    wanted = f"`{shown(setting.default)}`" if setting.default else "*needed*" if setting.name == "keys" else "*empty*"
    assert normal(default) == normal(wanted)
    assert len(kind) > 3
    assert len(effect) > 20


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"PUQ_BACKUPS_[A-Z_]*[A-Z]", everything()))

    assert named - {PREFIX + setting.name.upper() for setting in fields(Settings)} == set()


@pytest.mark.parametrize("path", COMMANDS)
def test_command_is_written_down_with_its_options(path: str) -> None:
    [row] = [row for row in rows("commands") if re.fullmatch(rf"{path}( [A-Z]+)?( \[.*\])?", row)]

    options = [name for option in COMMANDS[path].params for name in option.opts if name.startswith("--")]
    assert re.findall(r"--[a-z-]+", row) == options


def test_every_command_that_is_named_exists() -> None:
    text = re.sub(r"--app \w+ ", "", everything())
    groups = {"flask backups", *(path.rsplit(" ", 1)[0] for path in COMMANDS)}

    for named in re.findall(r"flask backups(?: [a-z]+)*", text):
        words = named.split(" ")
        assert any(" ".join(words[:length]) in COMMANDS for length in (3, 4)) or named in groups, named
