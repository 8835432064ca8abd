"""Pages of long lists, by the place of a row instead of its number: the last page costs as much as the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..models import is_valid_id

Row = TypeVar("Row")
SIZE = 50
MOST = 1000
"""What is counted is counted up to here: a page must not wait for a count."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows of a list. `after` leads to the next page, `before` to the one before; "" where there is none."""

    rows: Sequence[Row]
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Place:
    """Where a page begins: `after` a row, or so that it ends `before` one; as `Page` named them."""

    before: str = ""
    after: str = ""


START = Place()


@dataclass(frozen=True)
class Order:
    """A list's order: by a moment, then by id, so that no two rows have the same place."""

    moment: InstrumentedAttribute[Any]
    newest_first: bool = True

    @property
    def id(self) -> Any:
        return self.moment.class_.id

    def columns(self, *, backwards: bool) -> list[ColumnElement[Any]]:
        down = self.newest_first != backwards
        return [column.desc() if down else column.asc() for column in (self.moment, self.id)]

    def beyond(self, place: tuple[datetime, str], *, backwards: bool) -> ColumnElement[bool]:
        at, key = place
        if self.newest_first != backwards:
            # The first condition alone is the one that an index helps with.
            return and_(self.moment <= at, or_(self.moment < at, self.id < key))
        return and_(self.moment >= at, or_(self.moment > at, self.id > key))

    def place(self, row: Any) -> str:
        return f"{getattr(row, self.moment.key).isoformat()} {row.id}"


def page(session: Session, rows: Select[Any], order: Order, at: Place = START, size: int = SIZE) -> Page[Any]:
    """The rows at a place, the first ones at START. A place that makes no sense is taken for START."""
    follow, lead = read(at.after), read(at.before)
    backwards = follow is None and lead is not None
    place = follow or lead
    if place:
        rows = rows.where(order.beyond(place, backwards=backwards))
    found = session.scalars(rows.order_by(*order.columns(backwards=backwards)).limit(size + 1)).all()
    more, kept = len(found) > size, list(found[:size])
    if backwards:
        kept.reverse()
    first, last = (order.place(kept[0]), order.place(kept[-1])) if kept else ("", "")
    return Page(kept, first if (more if backwards else place) else "", last if backwards or more else "")


def read(place: str) -> tuple[datetime, str] | None:
    """A place as it came in an address."""
    moment, _, key = place.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, key) if at.tzinfo and is_valid_id(key) else None


def count(session: Session, ids: Select[Any], most: int = MOST) -> int:
    """How many rows there are, counted up to one more than `most`."""
    return session.scalar(select(func.count()).select_from(ids.limit(most + 1).subquery())) or 0
