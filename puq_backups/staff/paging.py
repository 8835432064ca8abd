"""Keyset pagination: a page is found by the position of a row, so that the last page costs as much as the first."""

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
COUNT_LIMIT = 1000
"""Counts stop here, so that a page does not wait for a count of all rows."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows of a list, and the cursors of the next (`after`) and previous (`before`) page; "" if there is none."""

    rows: Sequence[Row]
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Cursor:
    """Position of a page: the rows after `after`, or before `before`; values come from a `Page`, "" is unset."""

    before: str = ""
    after: str = ""


START = Cursor()


@dataclass(frozen=True)
class Order:
    """Order of a list: by a datetime column, then by id, so that each row has a unique position."""

    moment: InstrumentedAttribute[Any]
    newest_first: bool = True

    @property
    def id(self) -> Any:
        return self.moment.class_.id

    def columns(self, *, backwards: bool) -> list[ColumnElement[Any]]:
        """Return the columns to order by; `backwards` is the opposite direction."""
        down = self.newest_first != backwards
        return [column.desc() if down else column.asc() for column in (self.moment, self.id)]

    def beyond(self, place: tuple[datetime, str], *, backwards: bool) -> ColumnElement[bool]:
        """Return the condition for the rows after `place` (moment and id); `backwards` those before it."""
        at, key = place
        if self.newest_first != backwards:
            # The first condition is redundant, but lets the database use the index.
            return and_(self.moment <= at, or_(self.moment < at, self.id < key))
        return and_(self.moment >= at, or_(self.moment > at, self.id > key))

    def place(self, row: Any) -> str:
        """Return the position of a row as a cursor's value."""
        return f"{getattr(row, self.moment.key).isoformat()} {row.id}"


def page(session: Session, rows: Select[Any], order: Order, at: Cursor = START, size: int = SIZE) -> Page[Any]:
    """Return the rows at a cursor. An invalid cursor is treated as START, the first page."""
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
    """Parse a cursor value; None if invalid."""
    moment, _, key = place.partition(" ")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, key) if at.tzinfo and is_valid_id(key) else None


def count(session: Session, ids: Select[Any], most: int = COUNT_LIMIT) -> int:
    """Count rows, up to `most` + 1."""
    return session.scalar(select(func.count()).select_from(ids.limit(most + 1).subquery())) or 0
