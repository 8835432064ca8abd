"""Suspends, unsuspends and terminates services, and applies package changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..clock import slots
from ..context import Context
from ..errors import BadInput, Message, ProxmoxError, Refused
from ..host import Actor
from ..mail import events
from ..models import Operation, Server, Service, now
from ..models.audit_log import audit
from ..operations import proxmox_calls, state_changes
from . import access_changes
from . import params as given
from .register import set_status, update_from_params
from .servers import save_server

log = logging.getLogger("puq_backups.accounts")


def suspend(context: Context, params: Mapping[str, Any], actor: Actor) -> None:
    """Suspend a service: its schedule pauses and requests are refused."""
    _update(context, params, "suspend", actor, status="suspended")


def unsuspend(context: Context, params: Mapping[str, Any], actor: Actor) -> None:
    """Unsuspend a service from now on. Raises Refused if the VM belongs to another service meanwhile."""
    _update(context, params, "unsuspend", actor, status="active")


def terminate(context: Context, params: Mapping[str, Any], actor: Actor) -> None:
    """Terminate a service: waiting operations are cancelled, a running backup is stopped, a restore is completed."""
    running = _update(context, params, "terminate", actor, status="terminated")
    if running:
        _stop_backup(context, *running)


def change_package(context: Context, params: Mapping[str, Any], actor: Actor) -> None:
    """Update package, client and credentials. Raises BadInput for a wrong parameter; nothing is stored then."""
    _update(context, params, "change_package", actor)


def refresh(context: Context, params: Mapping[str, Any]) -> None:
    """The same as `change_package`, for the system: no audit entry is written."""
    _update(context, params)


def _update(
    context: Context, params: Mapping[str, Any], action: str = "", actor: Actor | None = None, *, status: str = ""
) -> tuple[Server, str] | None:
    """Update the service from `params` and set its status. Returns server and UPID of a backup task to stop, or None.

    With a `status`, a wrong parameter is not an error: the stored values stay, and the audit tells staff.
    """
    key = given.service_id(params)
    access = access_changes.tried(context, key, params)
    if access.wrong and not status:
        raise access.wrong
    try:
        with context.database.begin() as session:
            service = session.get(Service, key)
            if service is None:
                raise Refused("The service {service} is not registered: call CreateAccount first.", service=key)
            _take_access(session, context, service, access)
            _update_package(session, service, params, strict=not status)
            if actor:
                audit(session, key, None, action, f"{service.quota} backups", actor=actor.label)
            if status:
                set_status(session, context, service, status)
            slots.plan_next(session, service, service.slots_from or now())
            found = _end_operations(session, context, service) if status == "terminated" else None
    except IntegrityError:
        raise Refused("The virtual machine belongs to another service by now.") from None
    if access.against and not status:
        raise Refused(access.against.text, **access.against.values)
    return found


def _take_access(
    session: Session, context: Context, service: Service, change: access_changes.AccessChange
) -> None:  # fmt: skip
    """Renew the access of the service's server if it was tried; else keep it, and tell staff."""
    if change.access:
        service.server_id = save_server(session, context, change.access, [service.server_id]).id
    reason = change.wrong or change.against
    if reason:
        text = f"The access to the server of service {service.id} stays as it was: {reason}"
        log.warning(text)
        audit(session, service.id, None, "params", text)


def _update_package(session: Session, service: Service, params: Mapping[str, Any], *, strict: bool) -> None:
    try:
        if any(f"configoption{position}" in params for position in range(1, 25)) or params.get("configoptions"):
            update_from_params(session, service, params)
    except BadInput as error:
        if strict:
            raise
        text = f"The params of service {service.id} are wrong, what was known before stays: {error}"
        log.warning(text)
        audit(session, service.id, None, "params", text)


def _end_operations(session: Session, context: Context, service: Service) -> tuple[Server, str] | None:
    """Cancel waiting operations and request the stop of a running backup. A restore is completed.

    Returns server and UPID of the backup's task, which the caller stops after the commit, or None.
    """
    events.on_termination(session, context, service)
    waiting = select(Operation).where(
        Operation.service_id == service.id, Operation.state == "waiting", Operation.origin != "purge"
    )
    for operation in session.scalars(waiting).all():
        state_changes.end(session, context, operation, service, "cancelled", Message("The service was terminated."))
    running = session.scalar(select(Operation).where(Operation.lock == service.id, Operation.kind == "backup"))
    if running is None:
        return None
    running.cancel_requested = True
    stoppable = running.upid if running.step == "make_archive" else None
    return (session.get_one(Server, service.server_id), stoppable) if stoppable else None


def _stop_backup(context: Context, server: Server, upid: str) -> None:
    try:
        proxmox_calls.stop_task(context, server, upid)
    except ProxmoxError as error:
        # The backup ends normally then, and is purged with the others.
        log.warning("the backup of a terminated service was not stopped: %s", error)
