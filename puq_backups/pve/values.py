"""Reads values of Proxmox's answers, which may be missing, of another type, or larger than a database holds."""

from __future__ import annotations

import math
from typing import Any

BIGGEST = 2**63 - 1
"""The largest BIGINT. A storage without a limit of its own reports 2**64 bytes."""


def size(raw: Any) -> int | None:
    """A number from 0, cut to BIGGEST; None if there is none, or it is negative."""
    if isinstance(raw, int):
        found = raw
    else:
        try:
            value = float(raw)
        except (TypeError, ValueError, OverflowError):
            return None
        if math.isnan(value) or value < 0:
            return None
        text = str(raw).strip()
        # A float has 53 bits, a size written in digits is taken as it is.
        short = text.isascii() and text.isdigit() and len(text) <= len(str(BIGGEST))
        found = int(text) if short else int(min(value, BIGGEST))
    return min(found, BIGGEST) if found >= 0 else None


def number(raw: Any) -> int:
    """The same, with 0 for what is no number."""
    return size(raw) or 0


def flag(raw: Any) -> bool:
    """Whether a switch is on: Proxmox writes 1 and 0, as numbers or texts, and sometimes JSON's own."""
    return number(raw) != 0


def text(raw: Any, longest: int) -> str:
    """A text of one line, cut to `longest` characters; "" for None. Without NUL, which PostgreSQL refuses."""
    found = str("" if raw is None else raw).encode(errors="replace").decode()
    return " ".join(found.replace("\0", "").split())[:longest]
