"""A menu that hooks change in place, in the way of WHMCS's sidebars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Menu:
    """A tree of items. `items()` are in the order of `order`, which is 10, 20, 30, … where nothing else is said."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def add(self, name: str, label: str, **more: Any) -> Item:
        """Add an item, or replace the one of that name: `uri`, `order`, `badge`, `current`, `disabled`."""
        more.setdefault("order", 10 + max((item.order for item in self._items.values()), default=0))
        self._items[name] = Item(name, label, **more)
        return self._items[name]

    def get(self, name: str) -> Item | None:
        """The item of this name, None where there is none."""
        return self._items.get(name)

    def remove(self, name: str) -> None:
        """Take an item out; nothing happens where there is none."""
        self._items.pop(name, None)

    def items(self) -> list[Item]:
        """The items in their order; equal ones as they were added."""
        return sorted(self._items.values(), key=lambda item: item.order)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self._items)


class Item(Menu):
    """An entry, which may hold others. Without `uri` it is a heading. Its attributes may be set at any time."""

    def __init__(
        self, name: str, label: str, *, uri: str = "", order: int = 10, badge: str = "", current: bool = False,
        disabled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.name, self.label, self.uri, self.order = name, label, uri, order
        self.badge, self.current, self.disabled = badge, current, disabled
