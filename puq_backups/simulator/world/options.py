"""A configuration that reports each change of an option."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any


class Options(dict[str, Any]):
    """The options of a configuration; each change is reported as (key, old, new)."""

    def __init__(self, values: Mapping[str, Any], report: Callable[[str, Any, Any], None]) -> None:
        super().__init__(values)
        self._report = report

    def __deepcopy__(self, memo: dict[int, Any]) -> Options:
        return Options(copy.deepcopy(dict(self), memo), self._report)

    def __setitem__(self, key: str, value: Any) -> None:
        old = self.get(key)
        super().__setitem__(key, value)
        if old != value:
            self._report(key, old, value)

    def __delitem__(self, key: str) -> None:
        old = self[key]
        super().__delitem__(key)
        self._report(key, old, None)

    def pop(self, key: str, *default: Any) -> Any:
        """See dict.pop."""
        if key not in self:
            return super().pop(key, *default)
        old = self[key]
        del self[key]
        return old

    def update(self, *others: Any, **values: Any) -> None:
        """See dict.update."""
        for key, value in dict(*others, **values).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """See dict.setdefault."""
        if key not in self:
            self[key] = default
        return self[key]
