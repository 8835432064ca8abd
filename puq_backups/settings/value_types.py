"""Types of settings: converts a configuration value or environment variable into the type of its setting."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

ADDRESS_PATTERN = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+")
MAX_ADDRESS_LENGTH = 254
"""Limit of SMTP."""

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(raw: Any) -> timedelta:
    """Convert a timedelta, a number of seconds or text such as "12h". Raises ValueError for anything else."""
    if isinstance(raw, timedelta):
        found = raw
    elif isinstance(raw, int | float) and not isinstance(raw, bool):
        found = timedelta(seconds=raw)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(raw))
        if not match:
            raise ValueError(raw)
        found = timedelta(**{UNITS[match[2] or "s"]: float(match[1])})
    if found < timedelta(0):
        raise ValueError(raw)
    return found


def is_address(text: str) -> bool:
    """Return whether `text` is a single mail address without display name, which cannot add headers or recipients."""
    return (
        len(text) <= MAX_ADDRESS_LENGTH
        and text.isprintable()
        and "=?" not in text
        and ADDRESS_PATTERN.fullmatch(text) is not None
    )


def _texts(raw: Any) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    texts = (part.decode() if isinstance(part, bytes) else str(part) for part in parts)
    return tuple(text.strip() for text in texts if text.strip())


def _durations(raw: Any) -> tuple[timedelta, ...]:
    return tuple(duration(part) for part in (raw.split(",") if isinstance(raw, str) else raw))


def _bool(raw: Any) -> bool:
    text = str(raw).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError(raw)


def _positive_int(raw: Any) -> int:
    number = int(raw)
    if isinstance(raw, bool) or number < 1 or (isinstance(raw, float) and number != raw):
        raise ValueError(raw)
    return number


def _non_negative(raw: Any) -> float:
    number = float(raw)
    if isinstance(raw, bool) or not 0 <= number < math.inf:
        raise ValueError(raw)
    return number


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "str": (lambda raw: str(raw).strip(), "a text"),
    "bool": (_bool, "True or False"),
    "int": (_positive_int, "a whole number from 1"),
    "int | None": (lambda raw: None if raw in (None, "") else _positive_int(raw), "a whole number from 1, or None"),
    "float": (_non_negative, "a number from 0"),
    "timedelta": (duration, 'a duration: a timedelta, seconds, or a text such as "12h"'),
    "tuple[str, ...]": (_texts, "a list of texts"),
    "tuple[timedelta, ...]": (_durations, "a list of durations"),
}
"""Conversion function and description of accepted values, by the annotated type of a setting.

A conversion raises ValueError, TypeError or OverflowError.
"""
