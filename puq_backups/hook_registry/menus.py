"""A menu that hooks change in place, modelled on WHMCS's sidebars."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Menu:
    """A tree of menu items, sorted by `order`; the default order is 10 more than the highest."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def add(self, name: str, label: str, **more: Any) -> Item:
        """Add an item or replace the one of that name. `more`: `uri`, `order`, `badge`, `current`, `disabled`."""
        more.setdefault("order", 10 + max((item.order for item in self._items.values()), default=0))
        self._items[name] = Item(name, label, **more)
        return self._items[name]

    def get(self, name: str) -> Item | None:
        """Return the item of this name, or None."""
        return self._items.get(name)

    def remove(self, name: str) -> None:
        """Remove an item, if it exists."""
        self._items.pop(name, None)

    def items(self) -> list[Item]:
        """Return the items sorted by `order`, equal ones in the order in which they were added."""
        return sorted(self._items.values(), key=lambda item: item.order)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self._items)


class Item(Menu):
    """A menu item, which may contain others. Without `uri` it is a heading. Attributes may be changed at any time."""

    def __init__(
        self, name: str, label: str, *, uri: str = "", order: int = 10, badge: str = "", current: bool = False,
        disabled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.name, self.label, self.uri, self.order = name, label, uri, order
        self.badge, self.current, self.disabled = badge, current, disabled
