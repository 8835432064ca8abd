"""Makes damaged rows fit to be shown: what cannot be read is shown as empty. Nothing is decided by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy.orm.attributes import set_committed_value

from ..models import Operation, Service
from ..rules.package import Package
from ..rules.schedule import Schedule
from ..rules.wall_time import zones

Row = TypeVar("Row", Service, Operation)


def displayable(row: Row) -> Row:
    """Return the row with unreadable columns emptied in memory only; nothing of it is written back."""
    checks = OF_A_SERVICE if isinstance(row, Service) else OF_AN_OPERATION
    for column, (read, empty) in checks.items():
        try:
            read(getattr(row, column))
        except Exception:  # noqa: BLE001 - however it is damaged
            set_committed_value(row, column, empty(getattr(row, column)))
    return row


def _mapping(stored: Any) -> None:
    if not isinstance(stored, Mapping):
        raise TypeError
    dict(stored.items())


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def _list(stored: Any) -> None:
    if not isinstance(stored, list):
        raise TypeError


def _schedule(stored: Any) -> None:
    # An unreadable value is equal to an empty one.
    if (stored or stored != {}) and Schedule.from_json(stored).timezone not in zones():
        raise ValueError


def _schedule_in_utc(stored: Any) -> dict[str, Any]:
    try:
        return {**Schedule.from_json(stored).to_json(), "timezone": "UTC"}
    except Exception:  # noqa: BLE001 - as above
        return Schedule.empty("UTC").to_json()


Check = tuple[Callable[[Any], object], Callable[[Any], Any]]
OF_A_SERVICE: dict[str, Check] = {
    "package": (Package.from_json, _nothing), "schedule": (_schedule, _schedule_in_utc),
    "client": (_mapping, _nothing),
}  # fmt: skip
OF_AN_OPERATION: dict[str, Check] = {"data": (_mapping, _nothing), "warnings": (_list, lambda _: [])}
