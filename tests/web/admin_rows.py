"""Rows for the staff pages: operations in a state, and columns of a service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update
from support import world as worlds

from puq_backups.models import Operation, Service, new_id, now

HOUR = timedelta(hours=1)


def add_operation(world: worlds.World, state: str, service_id: str = "1", **more: Any) -> Operation:
    service = world.service(service_id)
    values: dict[str, Any] = {
        "kind": "backup", "origin": "manual", "token": new_id()[:16], "storage": "local", "created_at": now(),
        "due_at": now(), "wake_at": now(), **more,
    }  # fmt: skip
    place = {"server_id": service.server_id, "node": service.node}
    operation = Operation(service_id=service_id, client_id=service.client_id, state=state, **place, **values)
    with world.context.database.begin() as session:
        session.add(operation)
    return operation


def set_service(world: worlds.World, service_id: str = "1", **values: Any) -> None:
    with world.context.database.begin() as session:
        session.execute(update(Service).where(Service.id == service_id).values(**values))
