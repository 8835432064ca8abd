"""Client request to reinstall the VM after a failed restore, by the host's own function or by an operation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from .. import host as hosts
from ..context import Context
from ..errors import BackupsError, BadInput, Refused
from ..host import Actor
from ..inventory import backup_marks, policy, service_backups
from ..mail import trouble
from ..models import Operation, Service, database_now, leases
from ..models.audit_log import audit
from ..operations.dispatch import start_accepted
from . import requests
from .restore import wants_safety_copy

log = logging.getLogger("puq_backups.client_area")
REINSTALL_LEASE = timedelta(hours=1)


def reinstall(
    context: Context, service_id: str, actor: Actor, confirm: Any, safety_copy: Any = None
) -> str | None:  # fmt: skip
    """Request a reinstall, confirmed by the word REINSTALL. Returns the operation's id; None if the host did it.

    `safety_copy` "1" backs up the current state first, where that is offered: only the start of the VM had failed.
    """
    requests.require_permission("reinstall", actor)
    own = hosts.host_reinstall(context.host)
    if own is not None:
        _reinstall_by_host(context, service_id, actor, confirm, own)
        return None
    requests.refresh_service(context, service_id)
    with context.database.begin() as session:
        service = _lock_confirmed(session, service_id, actor, confirm)
        if against := policy.reinstall_unavailable(context.host, service):
            raise Refused(against.text, **against.values)
        operation = _create_reinstall(context, session, service, actor, safety_copy)
    start_accepted(context)
    return operation.id


def _create_reinstall(
    context: Context, session: Session, service: Service, actor: Actor, safety_copy: Any
) -> Operation:  # fmt: skip
    """Create the operation. It takes over the safety copy of the failed restore, or makes a new one."""
    failed = session.get_one(Operation, service.restore_failed)
    rule = policy.reinstall_safety_copy(context.settings, context.host, service, failed)
    new_copy = wants_safety_copy(safety_copy, rule)
    handed_on = {"safety_copy": True} if new_copy else {"safety": failed.data.get("safety")}
    return requests.create_operation(session, service, actor, "reinstall", backup_id=failed.backup_id, data=handed_on)


def _lock_confirmed(session: Session, service_id: str, actor: Actor, confirm: Any) -> Service:
    service = requests.lock_service(session, service_id)
    requests.require_possible("reinstall", service_backups.load_inventory(session, service), actor)
    if str(confirm or "").strip() != "REINSTALL":
        raise BadInput("confirm", "Type the word REINSTALL to confirm.")
    return service


def _reinstall_by_host(
    context: Context, service_id: str, actor: Actor, confirm: Any, own: Callable[[Service], None]
) -> None:
    """Call the host's reinstall function. A lease on the service refuses a second request meanwhile."""
    owner = leases.new_owner()
    with context.database.begin() as session:
        service = _lock_confirmed(session, service_id, actor, confirm)
        clock = database_now(session)
        if leases.is_held(service.vm_lease_owner, service.vm_lease_until, clock):
            raise Refused("Another action on this server is running.")
        service.vm_lease_owner, service.vm_lease_until = owner, clock + REINSTALL_LEASE
        audit(session, service_id, None, "reinstall", f"asked for by {actor.label}", actor=actor.label)
    done = False
    try:
        _run_host_function(own, service)
        done = True
    finally:
        with context.database.begin() as session:
            service = requests.lock_service(session, service_id)
            if done:
                backup_marks.settle_failed_restore(session, service)
                trouble.over(session, context, "restore", service_id)
            if service.vm_lease_owner == owner:
                service.vm_lease_owner = service.vm_lease_until = None


def _run_host_function(own: Callable[[Service], None], service: Service) -> None:
    try:
        own(service)
    except BackupsError:
        raise
    except Exception as error:
        log.exception("the host's reinstall of service %s failed", service.id)
        raise Refused("The reinstallation failed. Please ask the provider's support.") from error
