"""JSON columns whose text may have been damaged: a query over many rows reads the others all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from sqlalchemy import JSON, Dialect
from sqlalchemy.types import TypeDecorator


class UnreadableError(LookupError):
    """The stored value is no JSON."""


class Unreadable(dict[str, Any]):
    """Stands for a value that is no JSON. Every use raises UnreadableError: it must not be taken for an empty one."""

    def _fail(self, *_: Any, **__: Any) -> NoReturn:
        raise UnreadableError("a stored value is no JSON")

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        self._fail()

    __getitem__ = __contains__ = __len__ = get = keys = values = items = _fail


class Json(TypeDecorator[Any]):
    """JSON. A text that is none is read as `Unreadable`."""

    impl = JSON
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        inner = super().result_processor(dialect, coltype)

        def read(value: Any) -> Any:
            try:
                return inner(value) if inner else value
            except (ValueError, TypeError):
                return Unreadable()

        return read
