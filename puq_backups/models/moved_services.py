"""Keeps waiting operations in the queue of the node where their VM is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect, update
from sqlalchemy.orm import Session

from .operation import Operation
from .service import Service


def move_waiting(session: Session, *_: Any) -> None:
    """Move the waiting operations of services whose server or node has changed.

    Called after a flush: the service's row is written, and so locked, before those of its operations.
    """
    for service in [row for row in session.dirty if isinstance(row, Service) and _has_moved(row)]:
        session.execute(
            update(Operation)
            .where(Operation.service_id == service.id, Operation.state == "waiting")
            .values(server_id=service.server_id, node=service.node)
            .execution_options(synchronize_session=False)
        )


def _has_moved(service: Service) -> bool:
    attributes = inspect(service).attrs
    return bool(attributes.node.history.deleted or attributes.server_id.history.deleted)
