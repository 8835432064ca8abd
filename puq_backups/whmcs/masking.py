"""Masks logged values: secrets under names like `password`, the same text anywhere else, and personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "***"
SECRET = re.compile(r"(?i)passw|secret|token|api_?key|private_?key|authorization|cookie")
"""Pattern of names whose values are secret."""
PERSONAL = frozenset({"clientsdetails", "note"})
"""Names of values that a client's name, address or own words are in."""

SHORTEST = 4
"""Minimum length of a secret that is masked inside other texts; shorter ones would match too much."""


def find_secrets(value: Any) -> set[str]:
    """Return the secrets in a nested value: every text or number below a secret name."""
    return {text for text in _secrets(value, below=False) if text}


def _secrets(value: Any, *, below: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _secrets(one, below=below or bool(SECRET.search(str(name))))
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _secrets(one, below=below)
    elif below and value is not None and not isinstance(value, bool):
        yield str(value)


def mask_values(value: Any, secrets: Iterable[str]) -> Any:
    """Return a copy with secrets and personal values replaced by MASK, and other objects by their type name."""
    if isinstance(value, Mapping):
        return {
            str(name): MASK if _is_masked(name, one) else mask_values(one, secrets) for name, one in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_values(one, secrets) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return MASK if str(value) in secrets else value
    return mask_text(value, secrets) if isinstance(value, str) else f"<{type(value).__name__}>"


def _is_masked(name: Any, value: Any) -> bool:
    return (name in PERSONAL or bool(SECRET.search(str(name)))) and value not in (None, "")


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """Return the text with secrets replaced by MASK, longest first, so that no part of a longer one remains."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST or text == secret:
            text = text.replace(secret, MASK)
    return text
