"""Common part of all requests: locks the service row, checks policy, creates the operation."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy.orm import Session

from .. import host as hosts
from ..accounts import lifecycle
from ..context import Context
from ..errors import NotAllowed, NotFound, Refused
from ..host import Actor
from ..inventory import policy, service_backups
from ..models import Backup, Operation, Service, changes, is_valid_id
from ..models.audit_log import audit
from ..rules.package import Package

log = logging.getLogger("puq_backups.client_area")


def refresh_service(context: Context, service_id: str) -> None:
    """Update the service from `Host.service_params`, if the host has it, before the package is applied."""
    try:
        params = hosts.service_params(context.host, service_id)
        if params:
            lifecycle.refresh(context, {**params, "serviceid": service_id})
    except Exception:
        # In an emergency, a restore with the stored package is better than none.
        log.exception("the host's params of service %s could not be taken over", service_id)


def lock_service(session: Session, service_id: str) -> Service:
    """Load a service with its row locked, so that concurrent requests are checked one after the other."""
    changes.lock(session, [service_id])
    service = session.get(Service, service_id, populate_existing=True)
    if service is None:
        raise NotFound
    return service


def require_permission(action: str, actor: Actor) -> None:
    """Raise NotAllowed if the actor lacks the right. Call it before the input is checked."""
    forbidden = policy.forbidden(action, actor)
    if forbidden:
        raise NotAllowed(forbidden.text, **forbidden.values)


def require_possible(
    action: str, inventory: service_backups.Inventory, actor: Actor, backup: Backup | None = None
) -> None:
    """Raise NotAllowed or Refused if `action` is not possible now."""
    require_permission(action, actor)
    reason = policy.reason_against(action, inventory, backup, is_staff=actor.is_staff)
    if reason:
        raise Refused(reason.text, **reason.values)


def create_operation(session: Session, service: Service, actor: Actor, kind: str, **more: Any) -> Operation:
    """Create a waiting operation; by default a manual one on the package's storage. `more` names further columns."""
    facts = {"origin": "manual", "storage": Package.from_json(service.package).storage, **more}
    operation = Operation.new(service, kind, actor=actor.label, **facts)
    session.add(operation)
    audit(session, service.id, operation, kind, f"asked for by {actor.label}")
    session.flush()
    return operation


def find_operation(session: Session, service_id: str, operation_id: str) -> Operation:
    """The operation of this service with this id. Raises NotFound otherwise."""
    operation = session.get(Operation, operation_id) if is_valid_id(operation_id) else None
    if operation is None or operation.service_id != service_id:
        raise NotFound
    return operation
