"""Filters and tests that staff may use in mail templates, and the conversion of printed values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jinja2.runtime import Undefined
from markupsafe import Markup, escape

from ..errors import Message

MAX_OUTPUT = 256 * 1024
TOO_COMPLEX = Message("There is too much here; write a simpler text.")


class TemplateFault(Exception):
    """Error in a staff template, with its line if known."""

    def __init__(self, message: Message, line: int | None = None) -> None:
        super().__init__(str(message))
        self.message, self.line = message, line


def to_output(value: Any) -> Any:
    """Return a value as it is printed: None prints nothing, a list raises TemplateFault."""
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, (str, int, float)):
        return value
    raise TemplateFault(
        Message("This is a list: print what it holds with {loop} or {join}.", loop="{% for %}", join="|join")
    )


def _text(value: Any) -> str:
    said = to_output(value)
    return said if isinstance(said, str) else str(said)


def _join(values: Iterable[Any], between: str = "") -> str:
    texts = [_text(value) for value in values]
    if sum(map(len, texts)) + len(texts) * len(between) > MAX_OUTPUT:
        raise TemplateFault(TOO_COMPLEX)
    return between.join(texts)


def _truncate(value: Any, length: int = 255) -> str:
    text = _text(value)
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def _default(value: Any, instead: Any = "", boolean: bool = False) -> Any:
    return instead if isinstance(value, Undefined) or (boolean and not value) else value


FILTERS: dict[str, Callable[..., Any]] = {
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "capitalize": lambda value: _text(value).capitalize(),
    "title": lambda value: _text(value).title(),
    "trim": lambda value: _text(value).strip(),
    "truncate": _truncate,
    "join": _join,
    "default": _default,
    "escape": lambda value: escape(_text(value)),
    "nl2br": lambda value: Markup("<br>\n").join(_text(value).splitlines()),
    "length": len,
    "first": lambda values: next(iter(values), ""),
    "last": lambda values: next(reversed(values), ""),
    "round": lambda value, digits=0: round(value, min(max(digits, 0), 10)),
    "int": int,
}
"""Allowed filters. The output of each is at most a small multiple of its input."""
FILTERS |= {"e": FILTERS["escape"], "d": _default, "count": len}

TESTS: dict[str, Callable[..., bool]] = {
    "defined": lambda value: not isinstance(value, Undefined),
    "undefined": lambda value: isinstance(value, Undefined),
    "none": lambda value: value is None,
    "odd": lambda value: value % 2 == 1,
    "even": lambda value: value % 2 == 0,
}
