"""A registered service's life: what the host tells of its package, and of its pauses and its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .. import notifications, slots
from ..errors import BadInput, Message, ProxmoxError, Refused
from ..host import Actor
from ..models import Operation, Server, Service, now
from ..operations import engine
from ..toolbox import Toolbox
from . import params as given
from .registering import set_status, take_over
from .servers import move, server

log = logging.getLogger("puq_backups.accounts")


def suspend(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> None:
    """Pause the schedule and refuse what is asked for."""
    _change(toolbox, params, "suspend", actor, status="suspended")


def unsuspend(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> None:
    """Go on from this moment. Refused where the VM belongs to another service by now."""
    _change(toolbox, params, "unsuspend", actor, status="active")


def terminate(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> None:
    """End the service: what waits is cancelled, a running backup stopped; a restore runs to its end."""
    running = _change(toolbox, params, "terminate", actor, status="terminated")
    if running:
        _stop_backup(toolbox, *running)


def change_package(toolbox: Toolbox, params: Mapping[str, Any], actor: Actor) -> None:
    """Take over package, client and credentials. BadInput names what is wrong with them: nothing is taken then."""
    _change(toolbox, params, "change_package", actor)


def refresh(toolbox: Toolbox, params: Mapping[str, Any]) -> None:
    """The same, on our own account."""
    _change(toolbox, params)


def _change(
    toolbox: Toolbox, params: Mapping[str, Any], action: str = "", actor: Actor | None = None, *, status: str = ""
) -> tuple[Server, str] | None:
    """Take over what `params` hold and set the status: the task of a backup that is to be stopped, if any.

    With a `status` a wrong parameter stops nothing: what was known before stays, and staff is told.
    """
    key = given.service_id(params)
    try:
        with toolbox.database.begin() as session:
            service = session.get(Service, key)
            if service is None:
                raise Refused("The service {service} is not registered: call CreateAccount first.", service=key)
            _take_over_all(session, toolbox, service, params, strict=not status)
            if actor:
                engine.audit(session, key, None, action, f"{service.quota} backups", actor=actor.title)
            if status:
                set_status(session, toolbox, service, status)
            slots.plan(session, service, service.slots_from or now())
            return _end(session, toolbox, service) if status == "terminated" else None
    except IntegrityError:
        raise Refused("The virtual machine belongs to another service by now.") from None


def _take_over_all(
    session: Session, toolbox: Toolbox, service: Service, params: Mapping[str, Any], *, strict: bool
) -> None:  # fmt: skip
    try:
        if params.get("serverhostname") and params.get("serverpassword"):
            move(session, service, server(session, toolbox, given.server_access(params, toolbox)))
        if any(f"configoption{position}" in params for position in range(1, 25)) or params.get("configoptions"):
            take_over(session, service, params)
    except BadInput as error:
        if strict:
            raise
        text = f"The params of service {service.id} are wrong, what was known before stays: {error}"
        log.warning(text)
        engine.audit(session, service.id, None, "params", text)


def _end(session: Session, toolbox: Toolbox, service: Service) -> tuple[Server, str] | None:
    """Cancel what waits and have a running backup stop: its task, if there is one, is stopped after the commit.

    A restore runs to its end.
    """
    notifications.on_termination(session, toolbox, service)
    waiting = select(Operation).where(
        Operation.service_id == service.id, Operation.state == "waiting", Operation.origin != "purge"
    )
    for operation in session.scalars(waiting).all():
        engine.end(session, toolbox, operation, service, "cancelled", Message("The service was terminated."))
    running = session.scalar(select(Operation).where(Operation.lock == service.id, Operation.kind == "backup"))
    if running is None:
        return None
    running.cancel_asked = True
    stoppable = running.upid if running.step == "make_archive" else None
    return (session.get_one(Server, service.server_id), stoppable) if stoppable else None


def _stop_backup(toolbox: Toolbox, server: Server, upid: str) -> None:
    try:
        engine.stop_task(toolbox, server, upid)
    except ProxmoxError as error:
        # The backup then ends by itself, and is removed with the others.
        log.warning("the backup of a terminated service was not stopped: %s", error)
