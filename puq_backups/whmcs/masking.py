"""Keeping secrets out of what is written down: by the name under which they stand, and wherever else they turn up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MASK = "***"
SECRET = re.compile(r"(?i)passw|secret|token|api_?key|private_?key|authorization|cookie")
"""Names under which a secret stands."""

SHORTEST = 4
"""A shorter secret is not looked for elsewhere: it would be found everywhere."""


def secrets_in(value: Any) -> set[str]:
    """The secrets in a nested value: every text or number below a name that says so."""
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


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """A copy of a nested value, each secret in it replaced; what is no plain value is told by its type."""
    if isinstance(value, Mapping):
        return {str(name): MASK if _hidden(name, one) else masked(one, secrets) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(one, secrets) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return MASK if str(value) in secrets else value
    return without(value, secrets) if isinstance(value, str) else f"<{type(value).__name__}>"


def _hidden(name: Any, value: Any) -> bool:
    return bool(SECRET.search(str(name))) and value not in (None, "")


def without(text: str, secrets: Iterable[str]) -> str:
    """A text, each secret in it replaced; the longest first, so that none leaves a piece of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SHORTEST or text == secret:
            text = text.replace(secret, MASK)
    return text
